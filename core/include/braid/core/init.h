// Initialisation laws by PyTorch's names (torch.nn.init), as `init:` takes them:
//
//   init: {weight: {kaiming_normal: {mode: fan_out}}, bias: 0}
//
//   parse_init(Attr(0.5), shape);               // Init::constant(0.5)
//   kaiming_uniform(fan_in(shape), std::sqrt(5));   // what Linear and Conv2d start from
#pragma once
#include <span>

#include <braid/core/graph.h>

namespace braid {

/// Inputs that feed one output element of a weight [out, in, ...spatial].
int64_t fan_in(const Shape& shape);
int64_t fan_out(const Shape& shape);

/// He et al. 2015: uniform in ±gain·sqrt(3 / fan), gain = sqrt(2 / (1 + a²)).
Init kaiming_uniform(int64_t fan, double a);

/// A number, a law's name (`zeros`), a dictionary of one law and its parameters, or `{npy: file}`.
/// Throws Error(model) at the value's mark for an unknown law or parameter.
Init parse_init(const Attr& law, const Shape& shape);

/// Fills `out` by the law, which is no file: a pure function of (seed, key, index). f32 values are
/// computed in f64 and rounded.
void fill(const Init& init, uint64_t seed, std::string_view key, std::span<float> out);
void fill(const Init& init, uint64_t seed, std::string_view key, std::span<double> out);

}  // namespace braid
