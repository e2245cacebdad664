// A kernel of the CUDA backend in plain (row-major) formats.
#pragma once
#include <braid/core/registry.h>

namespace braid::cuda {

struct KernelTraits {
  int alias = -1;    ///< as in Offer
  bool gang = true;  ///< false: a launch has one part
};

/// `make` gets the signatures of a launch's parts: the same but for the size of the slice.
using LaunchMaker = std::function<Launch(std::span<const Signature>)>;

inline Kernel kernel(std::string op, LaunchMaker make, KernelTraits traits = {}) {
  auto offer = [=](const Signature& s, const DeviceTraits&) {
    return std::optional(Offer{.impl = "cuda:" + op,
                               .in_formats = std::vector<Format>(s.in.size()),
                               .out_formats = std::vector<Format>(s.out.size()),
                               .alias = traits.alias,
                               .launch = make,
                               .gang = traits.gang});
  };
  return {op, "cuda", offer};
}

}  // namespace braid::cuda
