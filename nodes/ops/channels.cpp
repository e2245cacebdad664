#include "ops/channels.h"

namespace braid {

ChannelKernel::operator Kernel() const {
  auto offer = [k = *this](const Signature& s, const DeviceTraits&) {
    const Operand& x = s.in[k.of];
    const Format format = channel_block(x.format) ? x.format : Format{};
    Signature chosen = s;
    Offer offer{.impl = "braid:" + k.op, .alias = k.alias};
    auto choose = [&](std::vector<Operand>& operands, std::vector<Format>& formats) {
      for (auto& operand : operands) {
        const bool alike = operand.dtype == x.dtype && operand.dims == x.dims;
        operand.format = alike ? format : Format{};
        formats.push_back(operand.format);
      }
    };
    choose(chosen.in, offer.in_formats);
    choose(chosen.out, offer.out_formats);
    if (k.workspace) offer.workspace = k.workspace(chosen);
    offer.bind = [make = k.make, chosen] { return make(chosen); };
    return std::optional(offer);
  };
  return {op, "cpu", std::move(offer)};
}

}  // namespace braid
