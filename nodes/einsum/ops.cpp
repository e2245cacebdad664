#include "einsum/ops.h"

#include <algorithm>
#include <map>

#include <braid/core/error.h>

#include "einsum/equation.h"
#include "ops/shape_attr.h"

namespace braid {
namespace {

Equation equation_of(const Dict& attrs) {
  std::string problem;
  Equation e = parse_equation(get_text(attrs, "equation"), problem);
  ensure(problem.empty() && (e.in.size() == 1 || e.in.size() == 2),
         "einsum: the equation is malformed");
  return e;
}

std::vector<Type> einsum_type(const Dict& attrs, std::span<const Type> in) {
  const Equation e = equation_of(attrs);
  ensure(e.in.size() == in.size(), "einsum: the equation has another number of operands");
  std::map<char, Dim> sizes;
  for (size_t k = 0; k < in.size(); ++k) {
    ensure(e.in[k].size() == in[k].rank(), "einsum: an operand has another number of dimensions");
    for (size_t d = 0; d < in[k].rank(); ++d) {
      auto [at, fresh] = sizes.try_emplace(e.in[k][d], in[k].shape[d]);
      ensure(fresh || at->second == in[k].shape[d], "einsum: sizes differ");
    }
  }
  Type out{in[0].dtype, {}};
  for (char c : e.out) out.shape.push_back(sizes.at(c));
  return {out};
}

void push(std::vector<Contraction::Axis>& axes, Contraction::Axis axis) {
  if (axis.size == 1) return;
  if (!axes.empty()) {
    auto& last = axes.back();
    if (last.stride[0] == axis.size * axis.stride[0] &&
        last.stride[1] == axis.size * axis.stride[1]) {
      last = {last.size * axis.size, axis.stride};
      return;
    }
  }
  axes.push_back(axis);
}

}  // namespace

Contraction contraction_of(const Signature& s) {
  const Equation e = equation_of(s.attrs);
  std::map<char, Contraction::Axis> axes;
  std::string summed;
  for (size_t k = 0; k < e.in.size(); ++k) {
    int64_t stride = 1;
    for (size_t d = e.in[k].size(); d-- > 0; stride *= s.in[k].dim(d)) {
      auto& axis = axes[e.in[k][d]];
      axis.size = s.in[k].dim(d);
      axis.stride[k] = stride;
    }
    for (char c : e.in[k])
      if (e.out.find(c) == e.out.npos && summed.find(c) == summed.npos) summed += c;
  }
  Contraction loops;
  for (char c : e.out) push(loops.kept, axes.at(c));
  for (char c : summed) push(loops.summed, axes.at(c));
  ensure(std::max(loops.kept.size(), loops.summed.size()) <= Contraction::most,
         "einsum: too many dimensions");
  return loops;
}

int einsum(Builder& b, std::string_view equation, std::vector<int> operands) {
  const char* op = operands.size() > 1 ? "einsum" : "sum";
  return b.one(op, std::move(operands), {{"equation", std::string(equation)}});
}

int einsum_gradient(Builder& b, std::string_view equation, const std::vector<int>& operands,
                    size_t of, int g) {
  std::string problem;
  const Equation e = parse_equation(equation, problem);
  Equation back{{e.out}, ""};
  std::vector<int> factors = {g};
  for (size_t k = 0; k < operands.size(); ++k)
    if (k != of) {
      back.in.push_back(e.in[k]);
      factors.push_back(operands[k]);
    }
  // What nothing else has was summed over alone: each of its cells has the same gradient.
  const Shape whole = b.type(operands[of]).shape;
  Shape seen;
  for (size_t d = 0; d < whole.size(); ++d) {
    const char c = e.in[of][d];
    const bool known = std::ranges::any_of(
        back.in, [&](const std::string& labels) { return labels.find(c) != labels.npos; });
    if (known) back.out += c;
    seen.push_back(known ? whole[d] : Dim(1));
  }
  int made = einsum(b, to_string(back), factors);
  if (back.out.size() == whole.size()) return made;
  made = b.one("reshape", {made}, {{"shape", to_attr(seen)}});
  return seen == whole ? made : b.one("expand", {made}, {{"shape", to_attr(whole)}});
}

int sum_over(Builder& b, int x, const std::vector<size_t>& dims) {
  Shape shape = b.type(x).shape;
  std::string all, kept;
  for (size_t d = 0; d < shape.size(); ++d) {
    all += char('a' + d);
    if (std::ranges::count(dims, d))
      shape[d] = 1;
    else
      kept += all.back();
  }
  return b.one("reshape", {einsum(b, all + "->" + kept, {x})}, {{"shape", to_attr(shape)}});
}

void register_einsum_ops(Registry& registry) {
  registry.add(OpDef{.name = "einsum", .infer = einsum_type, .merge = "sum"});
  registry.add(OpDef{.name = "sum", .infer = einsum_type, .merge = "sum", .linear = true});
}

}  // namespace braid
