// Arrays by name to the pointers that an Executor takes, one for each input of its plan.
#pragma once
#include <map>
#include <span>
#include <string>
#include <vector>

#include <braid/core/model.h>
#include <braid/runtime/array.h>

namespace braid {

using ConstViews = std::map<std::string, ConstView>;

class Feed {
 public:
  /// `wide`: for the engine that computes in f64. It takes f64 arrays as they are and makes f64
  /// of f32 ones.
  explicit Feed(bool wide) : wide_(wide) {}

  /// Checks arrays against the declared inputs and finds the batch size; null where none is given.
  /// Throws Error(data): E0350 no samples, E0351 an unknown name, E0352 another type.
  std::vector<const void*> inputs(std::span<const InputDecl> declared, const ConstViews& arrays,
                                  int64_t& batch);
  /// Adds the upstream gradients of a backward program, whose declarations begin with "grad:".
  /// Throws Error(data): E0390 an unknown name, E0391 one is missing, E0392 another type.
  void upstream(std::span<const InputDecl> declared, const ConstViews& arrays, int64_t batch,
                std::vector<const void*>& out);
  /// What the engine takes for pointers to the declared types.
  std::vector<const void*> widened(std::span<const InputDecl> declared,
                                   const std::vector<const void*>& inputs, int64_t batch);

 private:
  bool takes(DType declared, DType given) const;
  const void* pointer(const ConstView& array, size_t index);
  const void* widen(std::span<const float> values, size_t index);

  bool wide_;
  std::vector<std::vector<double>> memory_;  // by input; read until the next call
};

}  // namespace braid
