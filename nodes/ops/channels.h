// What kernels offer that know activations in plain and in channel-blocked memory (see ops/view.h).
#pragma once
#include <functional>

#include <braid/core/registry.h>

namespace braid {

/// A kernel that runs in the format of input `of`, where that is plain or channel-blocked, else
/// asks for plain. Operands of the same dtype and sizes have the same format, all others are plain.
struct ChannelKernel {
  std::string op;
  KernelMaker make = {};
  size_t of = 0;
  std::function<int64_t(const Signature&)> workspace = {};  ///< bytes, with formats chosen
  int alias = -1;                                           ///< as in Offer

  operator Kernel() const;
};

}  // namespace braid
