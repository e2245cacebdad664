// A loss with a floating target, for tests: the mean over the batch of (x - target)² / 2.
#pragma once
#include <braid/core/registry.h>

namespace braid::test {

template <class T>
KernelBody squares(const Signature& s) {
  return [n = s.in[0].elements()](const KernelArgs& a) {
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) {
      double d = double(a.in<T>(0)[i]) - double(a.in<T>(1)[i]);
      sum += d * d / 2;
    }
    a.out<double>(0)[0] = sum;
  };
}

template <class T>
KernelBody squares_count(const Signature& s) {
  return [n = s.in[0].elements()](const KernelArgs& a) { a.out<double>(0)[0] = double(n); };
}

template <class T>
KernelBody squares_gradient(const Signature& s) {
  return [n = s.in[0].elements(), factor = get_double(s.attrs, "factor", 1)](const KernelArgs& a) {
    for (int64_t i = 0; i < n; ++i)
      a.out<T>(0)[i] =
          T(factor * (double(a.in<T>(0)[i]) - double(a.in<T>(1)[i])) / a.in<double>(2)[0]);
  };
}

inline void register_square_loss(Registry& registry) {
  auto total = [](const Dict&, std::span<const Type>) {
    return std::vector<Type>{{DType::f64, {1}}};
  };
  registry.add(OpDef{.name = "squares", .infer = total, .merge = "sum"});
  registry.add(OpDef{.name = "squares_count", .infer = total, .merge = "sum"});
  registry.add(OpDef{.name = "squares_grad", .infer = same_type});
  registry.add(plain_kernel("squares", "cpu", squares<float>));
  registry.add(plain_kernel("squares", "reference", squares<double>));
  registry.add(plain_kernel("squares_count", "cpu", squares_count<float>));
  registry.add(plain_kernel("squares_count", "reference", squares_count<double>));
  registry.add(plain_kernel("squares_grad", "cpu", squares_gradient<float>));
  registry.add(plain_kernel("squares_grad", "reference", squares_gradient<double>));
  registry.add(LayerDef{
      .name = "Squares",
      .role = Role::loss,
      .doc = "Half of the mean square.",
      .inputs = {{"input"}, {"target"}},
      .params = {{.name = "factor", .kind = ParamKind::number, .doc = "a factor", .fallback = 1.0}},
      .forward =
          [](Builder& b, Call& c) {
            int count = b.one("squares_count", {c.in[1]});
            c.saved["count"] = count;
            return std::vector<int>{b.batch_mean(b.one("squares", c.in), count)};
          },
      .gradient =
          [](Builder& b, const Call& c, const std::vector<int>&) {
            return std::vector<int>{
                b.one("squares_grad", {c.in[0], c.in[1], c.saved.at("count")}, c.params), -1};
          }});
}

}  // namespace braid::test
