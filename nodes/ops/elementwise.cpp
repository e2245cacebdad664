#include "ops/elementwise.h"

#include "ops/checks.h"

namespace braid {

Kernel map_kernel(std::string op, Map1 f, bool keeps_zero) {
  auto make = [f](const Signature& s) -> KernelBody {
    return [f, n = s.in[0].storage()](const KernelArgs& a) {
      f(a.in<const float>(0), a.out<float>(0), n);
    };
  };
  return elementwise_kernel(std::move(op), "cpu", make, keeps_zero, 0);
}

Kernel map_kernel(std::string op, Map2 f, bool keeps_zero) {
  auto make = [f](const Signature& s) -> KernelBody {
    return [f, n = s.in[0].storage()](const KernelArgs& a) {
      f(a.in<const float>(0), a.in<const float>(1), a.out<float>(0), n);
    };
  };
  return elementwise_kernel(std::move(op), "cpu", make, keeps_zero, 0);
}

Kernel map_reference(std::string op, std::function<double(double)> f) {
  return plain_kernel(std::move(op), "reference", [f](const Signature& s) -> KernelBody {
    return [f, n = s.in[0].elements()](const KernelArgs& a) {
      for (int64_t i = 0; i < n; ++i) a.out<double>(0)[i] = f(a.in<double>(0)[i]);
    };
  });
}

Kernel map_reference(std::string op, std::function<double(double, double)> f) {
  return plain_kernel(std::move(op), "reference", [f](const Signature& s) -> KernelBody {
    return [f, n = s.in[0].elements()](const KernelArgs& a) {
      for (int64_t i = 0; i < n; ++i)
        a.out<double>(0)[i] = f(a.in<double>(0)[i], a.in<double>(1)[i]);
    };
  });
}

LayerDef activation(std::string name, std::string op) {
  auto forward = [op](Builder& b, Call& c) {
    require_f32(b, c, 0);
    auto y = b.add(op, c.in);
    c.saved["y"] = y[0];
    return y;
  };
  auto gradient = [op](Builder& b, const Call& c, const std::vector<int>& g) {
    return b.add(op + "_grad", {g[0], c.saved.at("y")});
  };
  return {.name = std::move(name),
          .doc = {},
          .inputs = {{"input", "any shape"}},
          .forward = forward,
          .gradient = gradient,
          .samples = {{.inputs = {{DType::f32, {N, 3, 7, 5}}}},
                      {.inputs = {{DType::f32, {N, 1}}}, .note = "one channel"}}};
}

LayerDef activation_of_input(std::string name, std::string op) {
  LayerDef def = activation(std::move(name), op);
  def.forward = [op](Builder& b, Call& c) {
    require_f32(b, c, 0);
    return b.add(op, c.in, c.params);
  };
  def.gradient = [op](Builder& b, const Call& c, const std::vector<int>& g) {
    return b.add(op + "_grad", {g[0], c.in[0]}, c.params);
  };
  return def;
}

}  // namespace braid
