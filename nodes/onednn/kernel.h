// How every kernel that calls oneDNN is made: inside the guard, for this machine only.
//
//   registry.add(onednn::kernel("matmul", [](const Signature& s) -> std::optional<Offer> {...}));
#pragma once
#include <functional>
#include <string>

#include "onednn/memory.h"
#include "onednn/sequence.h"

namespace braid::onednn {

/// A CPU kernel. `offer` runs inside a Guard; a primitive that oneDNN does not have (dnnl::error)
/// means no offer, and so do traits of another machine, for which oneDNN cannot answer.
Kernel kernel(std::string op, std::function<std::optional<Offer>(const Signature&)> offer);

/// The channel-blocked format that the jit kernels of an instruction set prefer for images.
Format blocked_images(const DeviceTraits& traits);

/// How willingly an implementation is taken: 0 = its bits depend on shapes alone; 1 = built on a
/// matrix product over the batch ("gemm"), whose bits depend on the batch size; 2 = naive and slow.
int reluctance(const dnnl::primitive_desc_base& pd);

/// The best implementation for which `fits(pd)` holds, by reluctance and then in oneDNN's order.
/// `make` returns a new primitive descriptor. The operation's descriptor and the forward hint that
/// it uses must outlive this call: oneDNN 2.6 walks from one implementation to the next through
/// pointers to them (and hashes whatever stands there).
template <class Make, class Fits>
auto choose(Make make, Fits fits) -> std::optional<decltype(make())> {
  for (int level = 0; level <= 2; ++level) {
    auto pd = make();
    do {
      if (reluctance(pd) == level && fits(pd)) return pd;
    } while (pd.next_impl());
  }
  return {};
}

}  // namespace braid::onednn
