#include <braid/core/kernel.h>

#include <braid/core/op.h>

namespace braid {

std::vector<Type> same_type(const Dict&, std::span<const Type> in) { return {in[0]}; }

Kernel plain_kernel(std::string op, std::string device, KernelMaker make) {
  auto offer = [op, make = std::move(make)](const Signature& s, const DeviceTraits&) {
    Signature plain = s;
    for (auto* operands : {&plain.in, &plain.out})
      for (auto& operand : *operands) operand.format.clear();
    return std::optional(Offer{.impl = "braid:" + op,
                               .in_formats = std::vector<Format>(s.in.size()),
                               .out_formats = std::vector<Format>(s.out.size()),
                               .bind = [make, plain] { return make(plain); }});
  };
  return {std::move(op), std::move(device), std::move(offer)};
}

Kernel elementwise_kernel(std::string op, std::string device, KernelMaker make, bool keeps_zero,
                          int alias) {
  auto offer = [op, make = std::move(make), keeps_zero, alias](const Signature& s,
                                                               const DeviceTraits&) {
    Signature chosen = s;
    auto& first = s.in[0];
    bool padded = first.storage() != first.elements();
    Format format = padded && !keeps_zero ? Format{} : first.format;
    Offer offer{.impl = "braid:" + op, .alias = alias};
    for (auto& operand : chosen.in) {
      operand.format = operand.dims == first.dims ? format : Format{};
      offer.in_formats.push_back(operand.format);
    }
    for (auto& operand : chosen.out) {
      operand.format = operand.dims == first.dims ? format : Format{};
      offer.out_formats.push_back(operand.format);
    }
    offer.bind = [make, chosen] { return make(chosen); };
    return std::optional(offer);
  };
  return {std::move(op), std::move(device), std::move(offer)};
}

}  // namespace braid
