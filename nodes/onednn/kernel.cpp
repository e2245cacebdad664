#include "onednn/kernel.h"

#include <braid/nodes/isa.h>

#include "onednn/guard.h"

namespace braid::onednn {

Kernel kernel(std::string op, std::function<std::optional<Offer>(const Signature&)> offer) {
  auto guarded = [offer = std::move(offer)](const Signature& s,
                                            const DeviceTraits& traits) -> std::optional<Offer> {
    if (!traits.isa.empty() && traits.isa != current_isa()) return {};
    Guard guard;
    try {
      return offer(s);
    } catch (const dnnl::error&) {
      return {};
    }
  };
  return {std::move(op), "cpu", std::move(guarded)};
}

Format blocked_images(const DeviceTraits& traits) {
  std::string isa = traits.isa.empty() ? current_isa() : traits.isa;
  return isa == "avx512" ? "aBcd16b" : "aBcd8b";
}

int reluctance(const dnnl::primitive_desc_base& pd) {
  std::string_view impl = pd.impl_info_str();
  if (impl.find("gemm:") != impl.npos && impl.find("brgemm") == impl.npos) return 1;
  return impl.starts_with("ref") || impl.starts_with("simple") ? 2 : 0;
}

}  // namespace braid::onednn
