#include "ops/pointwise_loss.h"

#include <algorithm>
#include <array>
#include <numeric>

#include <braid/core/registry.h>

#include "ops/checks.h"
#include "ops/count.h"

namespace braid {

PointwiseRule::PointwiseRule(const Dict& attrs, const std::string& shape_name)
    : target(get_double(attrs, "target", 0)),
      shape(shape_name.empty() ? 0 : get_double(attrs, shape_name)),
      factor(get_double(attrs, "factor", 1)) {}

namespace {

constexpr int64_t kChunk = 256;

/// Calls f(first, count, targets) for runs of elements; a constant target is written out once.
template <class F>
void each_chunk(const float* targets, float constant, int64_t n, const F& f) {
  std::array<float, kChunk> same;
  if (!targets) same.fill(constant);
  for (int64_t i = 0; i < n; i += kChunk)
    f(i, std::min(kChunk, n - i), targets ? targets + i : same.data());
}

/// In f64, by eight sums that are joined at the end.
class Sum {
 public:
  void add(const float* x, int64_t n) {
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
      for (int64_t k = 0; k < 8; ++k) sums_[size_t(k)] += double(x[i + k]);
    for (int64_t k = 0; i < n; ++i, ++k) sums_[size_t(k)] += double(x[i]);
  }
  double result() const { return std::accumulate(sums_.begin(), sums_.end(), 0.0); }

 private:
  std::array<double, 8> sums_{};
};

KernelMaker sum_maker(const PointwiseLoss& loss) {
  return [loss](const Signature& s) -> KernelBody {
    const PointwiseRule rule(s.attrs, loss.shape);
    return [=, n = s.in[0].elements(), given = s.in.size() > 1](const KernelArgs& a) {
      std::array<float, kChunk> losses;
      Sum sum;
      each_chunk(given ? a.in<float>(1) : nullptr, float(rule.target), n,
                 [&](int64_t first, int64_t count, const float* t) {
                   loss.loss(float(rule.shape), a.in<float>(0) + first, t, losses.data(), count);
                   sum.add(losses.data(), count);
                 });
      a.out<double>(0)[0] = sum.result();
    };
  };
}

double scale_of(const PointwiseRule& rule, double count) {
  return count > 0 ? rule.factor / count : 0;
}

/// Of "_grad" and "_target_grad": (input, target, count) or (input, count).
KernelMaker slope_maker(const PointwiseLoss& loss, bool of_target) {
  return [=, slope = of_target ? loss.target_slope : loss.slope](const Signature& s) -> KernelBody {
    const PointwiseRule rule(s.attrs, loss.shape);
    return [=, n = s.in[0].elements(), last = int(s.in.size()) - 1](const KernelArgs& a) {
      const auto scale = float(scale_of(rule, a.in<double>(last)[0]));
      each_chunk(last > 1 ? a.in<float>(1) : nullptr, float(rule.target), n,
                 [&](int64_t first, int64_t count, const float* t) {
                   slope(float(rule.shape), scale, a.in<float>(0) + first, t,
                         a.out<float>(0) + first, count);
                 });
    };
  };
}

KernelMaker judge_of_sum(const PointwiseLoss& loss, PointwiseJudge::Formula formula) {
  return [name = loss.shape, formula](const Signature& s) -> KernelBody {
    const PointwiseRule rule(s.attrs, name);
    return [=, n = s.in[0].elements(), given = s.in.size() > 1](const KernelArgs& a) {
      double sum = 0;
      for (int64_t i = 0; i < n; ++i)
        sum += formula(rule.shape, a.in<double>(0)[i], given ? a.in<double>(1)[i] : rule.target);
      a.out<double>(0)[0] = sum;
    };
  };
}

KernelMaker judge_of_slope(const PointwiseLoss& loss, PointwiseJudge::Formula formula) {
  return [name = loss.shape, formula](const Signature& s) -> KernelBody {
    const PointwiseRule rule(s.attrs, name);
    return [=, n = s.in[0].elements(), last = int(s.in.size()) - 1](const KernelArgs& a) {
      const double scale = scale_of(rule, a.in<double>(last)[0]);
      for (int64_t i = 0; i < n; ++i)
        a.out<double>(0)[i] = scale * formula(rule.shape, a.in<double>(0)[i],
                                              last > 1 ? a.in<double>(1)[i] : rule.target);
    };
  };
}

void require_target(const Builder& b, const Call& c) {
  const std::string port = c.def->inputs[1].name;
  const Attr* constant = find(c.params, port);
  const bool is_number = constant && !constant->is_null(), is_input = c.in.size() > 1;
  if (is_number && is_input)
    b.fail("E0236", port + " is given twice: as an input and as the number " + to_string(*constant),
           "leave one of them out");
  if (!is_number && !is_input)
    b.fail(
        "E0236", c.def->name + " has no " + port,
        "name it as the second of `from:`, or give one number for all elements: " + port + ": 1");
  if (!is_input) return;
  require_f32(b, c, 1);
  const Type input = b.type(c.in[0]), target = b.type(c.in[1]);
  if (input.shape != target.shape)
    b.fail("E0234",
           port + " is " + to_string(target) + ", " + c.def->inputs[0].name + " is " +
               to_string(input) + ": both must have one shape",
           "Reshape or Flatten brings one of them to the other's shape");
}

/// The number is `target` to the operations, whatever the layer calls it.
Dict attrs_of(const Call& c) {
  Dict attrs = c.params;
  if (const Attr* constant = find(c.params, c.def->inputs[1].name))
    if (!constant->is_null()) set(attrs, "target", *constant);
  return attrs;
}

std::vector<int> forward(const std::string& op, Builder& b, Call& c) {
  require_f32(b, c, 0);
  require_target(b, c);
  const int count = count_of(b, c.in.back());
  c.saved["count"] = count;
  return {b.batch_mean(b.one(op, c.in, attrs_of(c)), count)};
}

std::vector<int> gradient(const std::string& op, Builder& b, const Call& c) {
  auto in = c.in;
  in.push_back(c.saved.at("count"));
  std::vector<int> g{-1};
  if (b.needs_gradient(c.in[0])) g[0] = b.one(op + "_grad", in, attrs_of(c));
  if (c.in.size() > 1)
    g.push_back(b.needs_gradient(c.in[1]) ? b.one(op + "_target_grad", in, attrs_of(c)) : -1);
  return g;
}

}  // namespace

void add_pointwise_loss(Registry& registry, const PointwiseLoss& loss,
                        const PointwiseJudge& judge) {
  const std::string slope = loss.op + "_grad", target_slope = loss.op + "_target_grad";
  registry.add(OpDef{.name = loss.op,
                     .infer =
                         [](const Dict&, std::span<const Type>) {
                           return std::vector<Type>{{DType::f64, {1}}};
                         },
                     .merge = "sum"});
  for (auto& op : {slope, target_slope}) registry.add(OpDef{.name = op, .infer = same_type});
  // The loss of zeros is not always zero: padding is not to be counted.
  registry.add(elementwise_kernel(loss.op, "cpu", sum_maker(loss), false));
  registry.add(elementwise_kernel(slope, "cpu", slope_maker(loss, false), false, 0));
  registry.add(elementwise_kernel(target_slope, "cpu", slope_maker(loss, true), false, 0));
  registry.add(plain_kernel(loss.op, "reference", judge_of_sum(loss, judge.loss)));
  registry.add(plain_kernel(slope, "reference", judge_of_slope(loss, judge.slope)));
  registry.add(plain_kernel(target_slope, "reference", judge_of_slope(loss, judge.target_slope)));
}

LayerDef pointwise_layer(std::string name, std::string op) {
  const Type image{DType::f32, {N, 3, 7, 5}}, row{DType::f32, {N, 6}};
  return {.name = std::move(name),
          .role = Role::loss,
          .doc = {},
          .inputs = {{"input", "f32 of any shape"},
                     {"target", "of the input's shape; or the parameter", false, true}},
          .params = {{.name = "target",
                      .kind = ParamKind::number,
                      .doc = "one number for all elements, instead of the second input",
                      .optional = true},
                     {.name = "factor",
                      .kind = ParamKind::number,
                      .doc = "multiplies the loss",
                      .fallback = 1.0}},
          .forward = [op](Builder& b, Call& c) { return forward(op, b, c); },
          .gradient = [op](Builder& b, const Call& c,
                           const std::vector<int>&) { return gradient(op, b, c); },
          .samples = {{.inputs = {image, image}},
                      {.inputs = {row, row}, .params = {{"factor", 0.5}}},
                      {.inputs = {{DType::f32, {N}}, {DType::f32, {N}}}, .note = "one a sample"},
                      {.inputs = {row}, .params = {{"target", 1.0}}, .note = "a constant target"}}};
}

}  // namespace braid
