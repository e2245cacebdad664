// The operations of Einsum, and how layers use them; attribute equation: "nlhd,nshd->nhls".
//   einsum  a, b -> y
//   sum     x -> y      of one operand: linear, so that parts of sums stay parts
// Each cell is summed up in f64 and rounded once. A result that lost N is a part of the sum over
// the replicas.
#pragma once
#include <array>
#include <string_view>

#include <braid/core/registry.h>

namespace braid {

void register_einsum_ops(Registry& registry);
void register_einsum_kernels(Registry& registry);
void register_einsum_reference(Registry& registry);

/// The value of such a sum.
int einsum(Builder& b, std::string_view equation, std::vector<int> operands);

/// The gradient of operand `of` of that sum, whose result has gradient g.
int einsum_gradient(Builder& b, std::string_view equation, const std::vector<int>& operands,
                    size_t of, int g);

/// The sum of x over some dimensions, which stay with size 1.
int sum_over(Builder& b, int x, const std::vector<size_t>& dims);

/// The sums as loops: over the cells of y, and for each over what is summed.
struct Contraction {
  struct Axis {
    int64_t size = 1;
    std::array<int64_t, 2> stride = {};  ///< of the operands; 0 where one lacks the dimension
  };
  std::vector<Axis> kept, summed;  ///< outermost first; neighbours that one stride covers are one

  static constexpr size_t most = 12;  ///< axes of either kind
};
Contraction contraction_of(const Signature& s);

}  // namespace braid
