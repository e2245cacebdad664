// What batch norm offers on a CPU: the format of x decides, everything of its size follows, and
// per-channel operands are plain.
#include "batch_norm/parts.h"
#include "batch_norm/simd.h"

namespace braid::batch_norm {
namespace {

struct Question {
  const Signature& signature;
  View view;  ///< of x
  Isa isa;
  Pass pass(bool constant) const {
    auto& attrs = signature.attrs;
    return {view, get_bool(attrs, "relu"), get_bool(attrs, "masked"), constant};
  }
};

using Make = KernelBody (*)(const Question&);
using Workspace = int64_t (*)(const View&);

// `x`: which input is x. An unknown format of x is refused by asking for plain.
Kernel pass_kernel(std::string op, size_t x, Make make, Workspace workspace, int alias) {
  auto offer = [=](const Signature& s, const DeviceTraits& traits) {
    const auto isa = resolve_isa(traits.isa);
    if (!isa) return std::optional<Offer>();
    Signature chosen = s;
    const Format format = channel_block(s.in[x].format) ? s.in[x].format : Format{};
    Offer offer{.alias = alias == kLastInput ? int(s.in.size()) - 1 : alias};
    for (auto& operand : chosen.in) {
      operand.format = operand.dims == s.in[x].dims ? format : Format{};
      offer.in_formats.push_back(operand.format);
    }
    for (auto& operand : chosen.out) {
      operand.format = operand.dims == s.in[x].dims ? format : Format{};
      offer.out_formats.push_back(operand.format);
    }
    const View view = view_of(chosen.in[x]);
    offer.impl = "hwy:" + to_string(*isa);
    offer.workspace = workspace(view);
    offer.bind = [=, isa = *isa] {
      require_isa(isa);
      return make({chosen, view, isa});
    };
    return std::optional(offer);
  };
  return {std::move(op), "cpu", std::move(offer)};
}

Affine affine_at(const KernelArgs& a, bool affine, int first) {
  return affine ? Affine{a.in<float>(first), a.in<float>(first + 1)} : Affine{};
}

// Inputs that come after the statistics are weight and bias, or nothing; a mask's weights are last,
// and so is what is added or decides which gradients pass.
bool affine_after(const Question& q, size_t others) { return q.signature.in.size() > others + 1; }

KernelBody moments_body(const Question& q) {
  if (q.signature.in.size() > 1)
    return [view = q.view, run = weighted_moments_kernel(q.isa)](const KernelArgs& a) {
      run(view, a.in<float>(0), a.in<float>(1), a.out<double>(0), a.workspace);
    };
  return [view = q.view, run = moments_kernel(q.isa)](const KernelArgs& a) {
    run(view, a.in<float>(0), a.out<double>(0), a.workspace);
  };
}

template <bool kEval>
Statistics statistics_at(const KernelArgs& a, int first) {
  if constexpr (kEval) return {nullptr, a.in<float>(first), a.in<float>(first + 1)};
  return {a.in<double>(first), nullptr, nullptr};
}

template <bool kEval, bool kAdd>
KernelBody normalize_body(const Question& q) {
  constexpr int others = kEval ? 3 : 2;
  return
      [pass = q.pass(kEval), rule = eps_rule(q.signature.attrs), affine = affine_after(q, others),
       last = int(q.signature.in.size()) - 1, run = apply_kernel(q.isa)](const KernelArgs& a) {
        if constexpr (!kEval) require_spread(a.in<double>(1));
        const View& v = pass.view;
        const Coefficients k(a.workspace, v.padded());
        forward_coefficients(statistics_at<kEval>(a, 1), affine_at(a, affine, others), rule,
                             v.channels, v.padded(), k);
        run(pass, a.in<float>(0), kAdd ? a.in<float>(last) : nullptr, k, a.out<float>(0));
      };
}

// `kApart`: the last input is the result of a ReLU, the first output what passes it.
template <bool kEval, bool kApart>
KernelBody reduce_body(const Question& q) {
  constexpr int others = kEval ? 4 : 3;
  return
      [pass = q.pass(kEval), rule = eps_rule(q.signature.attrs), affine = affine_after(q, others),
       last = int(q.signature.in.size()) - 1, run = reduce_kernel(q.isa)](const KernelArgs& a) {
        const View& v = pass.view;
        const Coefficients k(a.workspace, v.padded());
        const Statistics s = statistics_at<kEval>(a, 2);
        forward_coefficients(s, affine_at(a, affine, others), rule, v.channels, v.padded(), k);
        char* rest = static_cast<char*>(a.workspace) + Coefficients::bytes(v.padded());
        const Gate gate = kApart ? Gate{a.in<float>(last), a.out<float>(0)} : Gate{};
        double* sums = a.out<double>(kApart);
        run(pass, a.in<float>(0), a.in<float>(1), gate, k, sums, rest);
        finish_sums(s, rule, v.channels, sums);
      };
}

template <bool kEval>
KernelBody dx_body(const Question& q) {
  return
      [pass = q.pass(kEval), rule = eps_rule(q.signature.attrs), affine = affine_after(q, 4),
       last = int(q.signature.in.size()) - 1, run = gradient_kernel(q.isa)](const KernelArgs& a) {
        const View& v = pass.view;
        const Coefficients k(a.workspace, v.padded());
        const double* sums = kEval ? nullptr : a.in<double>(3);
        const float* w = pass.masked && !kEval ? a.in<float>(last) : nullptr;
        char* rest = static_cast<char*>(a.workspace) + Coefficients::bytes(v.padded());
        backward_coefficients(statistics_at<kEval>(a, 2), sums, affine_at(a, affine, 4), rule,
                              v.channels, v.padded(), k);
        run(pass, a.in<float>(0), a.in<float>(1), w, k, a.out<float>(0), rest);
      };
}

int64_t sweep_workspace(const View& v) { return moments_workspace(v) + weights_workspace(v); }
int64_t coefficient_workspace(const View& v) { return Coefficients::bytes(v.padded()); }
int64_t dx_workspace(const View& v) { return coefficient_workspace(v) + weights_workspace(v); }
int64_t sums_workspace(const View& v) {
  return Coefficients::bytes(v.padded()) + reduce_workspace(v);
}

}  // namespace

void register_kernels(Registry& r) {
  r.add(pass_kernel("moments", 0, moments_body, sweep_workspace, -1));
  auto normalize = [&r](std::string op, Make make, int alias) {
    r.add(pass_kernel(std::move(op), 0, make, coefficient_workspace, alias));
  };
  normalize("normalize", normalize_body<false, false>, 0);
  normalize("normalize_eval", normalize_body<true, false>, 0);
  normalize("normalize_add", normalize_body<false, true>, kLastInput);
  normalize("normalize_eval_add", normalize_body<true, true>, kLastInput);
  auto reduce = [&r](std::string op, Make make, int alias) {
    r.add(pass_kernel(std::move(op), 1, make, sums_workspace, alias));
  };
  reduce("bn_reduce", reduce_body<false, false>, -1);
  reduce("bn_eval_reduce", reduce_body<true, false>, -1);
  reduce("bn_relu_reduce", reduce_body<false, true>, 0);
  reduce("bn_eval_relu_reduce", reduce_body<true, true>, 0);
  r.add(pass_kernel("bn_dx", 1, dx_body<false>, dx_workspace, 0));
  r.add(pass_kernel("bn_eval_dx", 1, dx_body<true>, coefficient_workspace, 0));
}

}  // namespace braid::batch_norm
