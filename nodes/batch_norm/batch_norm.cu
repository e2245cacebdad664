#include "batch_norm/device.h"

namespace braid {
namespace batch_norm {

Kernel activation_kernel(std::string op, size_t x,
                         std::function<Launch(std::span<const Signature>)> make, int alias) {
  auto offer = [=](const Signature& s, const DeviceTraits&) -> std::optional<Offer> {
    auto& dims = s.in[x].dims;
    if (s.in[x].dtype != DType::f32 && s.in[x].dtype != DType::bf16) return std::nullopt;
    const Format last = channels_last(dims.size());
    const Format format = s.in[x].format == last ? last : Format{};
    Offer offer{.impl = "cuda:" + op, .alias = alias, .gang = true};
    if (alias == kLastInput) offer.alias = int(s.in.size()) - 1;
    for (auto& operand : s.in) offer.in_formats.push_back(operand.dims == dims ? format : "");
    for (auto& operand : s.out) offer.out_formats.push_back(operand.dims == dims ? format : "");
    offer.launch = make;
    return offer;
  };
  return {op, "cuda", offer};
}

}  // namespace batch_norm

void register_batch_norm_cuda(Registry& registry) {
  batch_norm::register_moments_cuda(registry);
  batch_norm::register_reduce_cuda(registry);
  batch_norm::register_apply_cuda(registry);
  batch_norm::register_statistics_cuda(registry);
}

}  // namespace braid
