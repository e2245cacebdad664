// Einsum: sums of products over dimensions that are named by letters.
#include <map>

#include "einsum/equation.h"
#include "einsum/ops.h"
#include "ops/checks.h"

namespace braid {
namespace {

std::string listed(const std::vector<std::string>& labels, const Builder& b, const Call& call) {
  std::string text;
  for (size_t k = 0; k < labels.size(); ++k)
    text += (k ? ", " : "") + ("'" + labels[k] + "' is ") + to_string(b.type(call.in[k]).shape);
  return text;
}

void check_ranks(Builder& b, const Call& call, const Equation& e) {
  if (e.in.size() != call.in.size())
    b.fail("E0272",
           "operands of the equation '" + to_string(e) + "': " + std::to_string(e.in.size()) +
               ", inputs of the layer: " + std::to_string(call.in.size()),
           "letters of different operands are parted by commas");
  for (size_t k = 0; k < e.in.size(); ++k) {
    require_f32(b, call, k);
    const Shape& x = b.type(call.in[k]).shape;
    if (e.in[k].size() != x.size())
      b.fail("E0272",
             "'" + e.in[k] + "' names " + std::to_string(e.in[k].size()) + " dimensions, and " +
                 port_name(call, k) + " is " + to_string(x),
             "every dimension has one letter");
  }
}

// N is dimension 0 of what has it, and its letter is the first of the result: replicas hold slices
// of it.
void check_batch(Builder& b, const Call& call, const Equation& e) {
  std::string batch;
  for (size_t k = 0; k < e.in.size(); ++k) {
    if (!b.type(call.in[k]).batched()) continue;
    const std::string letter = e.in[k].substr(0, 1);
    if (!batch.empty() && letter != batch)
      b.fail("E0232",
             "two letters stand for the batch, '" + batch + "' and '" + letter +
                 "': samples of different replicas cannot meet",
             "name dimension 0 of all inputs that have N by the same letter");
    batch = letter;
  }
  if (!batch.empty() && e.out.substr(0, 1) != batch)
    b.fail("E0232",
           "the letter '" + batch + "' is the batch, and it is not the first of the result '" +
               e.out + "': replicas hold slices of it",
           "let the result begin with '" + batch + "'");
}

void check_sizes(Builder& b, const Call& call, const Equation& e) {
  std::map<char, Dim> sizes;
  for (size_t k = 0; k < e.in.size(); ++k) {
    const Shape& x = b.type(call.in[k]).shape;
    for (size_t d = 0; d < x.size(); ++d) {
      auto [at, fresh] = sizes.try_emplace(e.in[k][d], x[d]);
      if (!fresh && at->second != x[d])
        b.fail("E0273",
               std::string("the letter '") + e.in[k][d] + "' is " + to_string(at->second) +
                   " in one operand and " + to_string(x[d]) +
                   " in another: " + listed(e.in, b, call),
               "one letter stands for one size; there is no broadcasting");
    }
  }
  if (sizes.size() > Contraction::most)
    b.fail("E0272", "the equation has " + std::to_string(sizes.size()) + " letters",
           "at most " + std::to_string(Contraction::most));
}

Equation checked(Builder& b, const Call& call) {
  std::string problem;
  const std::string text = get_text(call.params, "equation");
  Equation e = parse_equation(text, problem);
  if (!problem.empty())
    b.fail("E0272", "equation '" + text + "': " + problem,
           "for example nij,njk->nik, a product of matrices for each sample");
  if (call.in.empty()) b.fail("E0203", "Einsum has no inputs", "give it a list: from: [a, b]");
  check_ranks(b, call, e);
  check_batch(b, call, e);
  check_sizes(b, call, e);
  return e;
}

/// Worked off from the left, two operands at a time, as PyTorch does.
struct Step {
  std::string equation;
  std::vector<int> operands;
};

std::string partial_name(size_t step) { return "sum " + std::to_string(step); }

Step step_of(const Call& call, const Equation& e, std::string& labels, size_t next) {
  if (e.in.size() == 1) return {to_string(e), {call.in[0]}};
  Step step;
  const std::string made =
      next + 1 == e.in.size() ? e.out : kept_labels(labels, e.in[next], e, next + 1);
  step.equation = labels + "," + e.in[next] + "->" + made;
  step.operands = {next == 1 ? call.in[0] : call.saved.at(partial_name(next - 1)), call.in[next]};
  labels = made;
  return step;
}

std::vector<Step> steps_of(const Call& call, const Equation& e) {
  std::vector<Step> steps;
  std::string labels = e.in[0];
  if (e.in.size() == 1) return {step_of(call, e, labels, 1)};
  for (size_t next = 1; next < e.in.size(); ++next) steps.push_back(step_of(call, e, labels, next));
  return steps;
}

std::vector<int> forward(Builder& b, Call& call) {
  const Equation e = checked(b, call);
  std::string labels = e.in[0];
  int made = -1;
  for (size_t next = 1; next < std::max<size_t>(e.in.size(), 2); ++next) {
    const Step step = step_of(call, e, labels, next);
    made = einsum(b, step.equation, step.operands);
    call.saved[partial_name(next)] = made;
  }
  return {made};
}

std::vector<int> gradient(Builder& b, const Call& call, const std::vector<int>& g) {
  std::vector<int> gradients(call.in.size(), -1);
  if (g[0] < 0) return gradients;
  std::string problem;
  const Equation e = parse_equation(get_text(call.params, "equation"), problem);
  const auto steps = steps_of(call, e);
  int arrives = g[0];
  for (size_t k = steps.size(); k-- > 0;) {
    const Step& step = steps[k];
    auto of = [&](size_t operand) {
      return b.needs_gradient(step.operands[operand])
                 ? einsum_gradient(b, step.equation, step.operands, operand, arrives)
                 : -1;
    };
    if (step.operands.size() > 1) gradients[k + 1] = of(1);
    arrives = of(0);
    if (arrives < 0) break;
  }
  gradients[0] = arrives;
  return gradients;
}

std::vector<Sample> samples() {
  auto value = [](Shape shape) { return Type{DType::f32, std::move(shape)}; };
  auto sample = [](std::vector<Type> inputs, const char* equation, const char* note) {
    return Sample{.inputs = std::move(inputs), .params = {{"equation", equation}}, .note = note};
  };
  return {sample({value({N, 3, 5}), value({N, 5, 4})}, "nij,njk->nik", "a product of matrices"),
          sample({value({N, 3, 7}), value({7, 2})}, "nkp,pc->nkc", "the second has no batch"),
          sample({value({N, 4, 2, 3, 2}), value({N, 4, 2, 3})}, "nkdhc,nkdh->ndhc",
                 "a mean weighted by a mask"),
          sample({value({N, 3, 4, 2})}, "nabc->ncb", "one operand: transposed, and summed over a"),
          sample({value({N, 3}), value({N, 4, 2}), value({4, 5})}, "na,nbc,bd->nad",
                 "three operands; c is summed over alone"),
          sample({value({N, 3}), value({1, 3})}, "ni,xi->ni", "a dimension of one cell goes")};
}

}  // namespace

void register_einsum(Registry& registry) {
  register_einsum_ops(registry);
  register_einsum_kernels(registry);
  register_einsum_reference(registry);
  registry.add(LayerDef{
      .name = "Einsum",
      .doc = "Sums of products over named dimensions. Letters that the result lacks are summed "
             "over. Letters of N come first.",
      .formula = "nij,njk->nik: y[n, i, k] = sum over j of a[n, i, j] b[n, j, k]",
      .source = "torch.einsum",
      .inputs = {{.name = "operands", .doc = "one or more, f32", .variadic = true}},
      .params = {{.name = "equation",
                  .kind = ParamKind::text,
                  .doc = "a letter for each dimension, commas between operands, -> before the "
                         "result's; without it the result has what stands once, sorted"}},
      .forward = forward,
      .gradient = gradient,
      .samples = samples()});
}

}  // namespace braid
