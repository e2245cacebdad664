// One batch norm as a network, run with gradients from outside, and what it has to give: batch norm
// by the book, in f64, over all samples at once, with no notion of replicas.
//
//   Norm norm({.dims = {N, 10, 16, 16}, .replicas = 2});
//   Session session(norm.model(), {.devices = cpus(2)});
//   Result got = norm.run(session, x, g);
//   expect_close(got, by_the_book(x, g, norm.spec), {.absolute = 1e-5, .relative = 1e-3});
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "support/models.h"

namespace braid::test::syncbn {

using Arrays = std::map<std::string, Array>;

struct Spec {
  std::vector<int64_t> dims;  ///< of a sample: channels first
  int replicas = 1;
  Dict params = {};
  /// A 1x1 convolution with the identity as its weight comes first: values stay, to the last bit,
  /// and lie in blocked memory.
  bool blocked = false;
  int sync = 0;  ///< replicas per group, 0 = all
};

/// Everything that a step gives, as numbers: also what a batch norm by the book gives.
struct Tensors {
  std::vector<double> y, dx, dweight, dbias, mean, var;
};

inline std::vector<double> to_doubles(const Array& array) {
  if (array.dtype == DType::f64) {
    auto values = array.as<double>();
    return {values.begin(), values.end()};
  }
  auto values = array.as<float>();
  return {values.begin(), values.end()};
}

/// A sample's sizes behind n samples.
inline std::vector<int64_t> with_batch(std::vector<int64_t> dims, int64_t n) {
  dims.insert(dims.begin(), n);
  return dims;
}

inline Array normal_array(std::vector<int64_t> dims, uint64_t key, double mean = 0,
                          double std = 1) {
  Array array = Array::zeros(DType::f32, std::move(dims));
  auto values = array.as<float>();
  for (size_t i = 0; i < values.size(); ++i) values[i] = float(mean + std * normal(key, i));
  return array;
}

inline Array uniform_array(std::vector<int64_t> dims, uint64_t key) {
  Array array = Array::zeros(DType::f32, std::move(dims));
  auto values = array.as<float>();
  for (size_t i = 0; i < values.size(); ++i) values[i] = float(uniform(key, i));
  return array;
}

inline Model model_of(const Spec& spec) {
  Model model;
  model.name = "norm";
  model.seed = 3;
  model.replicas = spec.replicas;
  model.batch.global = 16;
  Shape shape = {N};
  for (int64_t d : spec.dims) shape.push_back(d);
  model.inputs = {{"x", {DType::f32, shape}}};
  auto source = std::make_shared<Source>(Source{"norm.yaml", ""});
  auto add = [&](const std::string& path, const std::string& type, const Dict& params) {
    int last = int(model.layers.size()) - 1;
    LayerItem item{.path = path, .type = type, .params = params};
    item.from = {last < 0 ? Link::input(0) : Link::layer(last)};
    item.mark = item.type_mark = {source, last + 11, 5};
    model.layers.push_back(item);
  };
  if (spec.blocked) {
    add("same", "Conv2d", {{"out_channels", spec.dims[0]}, {"kernel_size", 1}, {"bias", false}});
    model.layers.back().freeze = Freeze::params;
  }
  const size_t rank = spec.dims.size() + 1;
  add("bn", rank < 4 ? "BatchNorm1d" : rank == 4 ? "BatchNorm2d" : "BatchNorm3d", spec.params);
  model.layers.back().sync = spec.sync;
  model.outputs = {{"y", Link::layer(int(model.layers.size()) - 1)}};
  return model;
}

inline ProgramKey backward_key(int64_t n) {
  return {.batch = n, .wanted = {"y"}, .goal = Goal::backward};
}

inline void assign(Session& session, const std::string& key, const std::vector<double>& values) {
  int var = session.state().find(key);
  ASSERT_GE(var, 0) << key;
  const bool wide = session.state().var(var).type.dtype == DType::f64;
  for (int d = 0; d < session.state().devices(); ++d)
    for (size_t i = 0; i < values.size(); ++i)
      if (wide)
        session.state().at<double>(d, var)[i] = values[i];
      else
        session.state().at<float>(d, var)[i] = float(values[i]);
}

inline std::vector<double> variable(Session& session, const std::string& key) {
  int var = session.state().find(key);
  if (var < 0) return {};
  auto& type = session.state().var(var).type;
  std::vector<double> out;
  for (int64_t i = 0; i < type.elements(0); ++i)
    out.push_back(type.dtype == DType::f64 ? session.state().at<double>(0, var)[i]
                                           : double(session.state().at<float>(0, var)[i]));
  return out;
}

/// A session whose weights are what one passes, and whose convolution, if any, is the identity.
inline Session open(const Spec& spec, SessionOptions options,
                    const std::vector<double>& weight = {}, const std::vector<double>& bias = {}) {
  Session session(model_of(spec), std::move(options));
  session.plan(backward_key(16));  // State comes with the first program
  if (!weight.empty()) assign(session, "bn.weight", weight);
  if (!bias.empty()) assign(session, "bn.bias", bias);
  if (spec.blocked) {
    const auto channels = size_t(spec.dims[0]);
    std::vector<double> identity(channels * channels, 0);
    for (size_t c = 0; c < channels; ++c) identity[c * channels + c] = 1;
    assign(session, "same.weight", identity);
  }
  return session;
}

inline Tensors run(Session& session, const Array& x, const Array& g) {
  auto result = session.backward({{"x", x}}, {{"y", g}});
  Tensors out{.y = to_doubles(result.outputs.at("y")), .dx = to_doubles(result.inputs.at("x"))};
  if (auto found = result.parameters.find("bn.weight"); found != result.parameters.end())
    out.dweight = to_doubles(found->second);
  if (auto found = result.parameters.find("bn.bias"); found != result.parameters.end())
    out.dbias = to_doubles(found->second);
  out.mean = variable(session, "bn.running_mean");
  out.var = variable(session, "bn.running_var");
  return out;
}

/// Algorithm 1 of Ioffe and Szegedy 2015 and the gradients below it, from statistics that begin at
/// 0 and 1. Empty `weight` and `bias`: 1 and 0.
inline Tensors by_the_book(const Array& x, const Array& g, const Dict& params,
                           const std::vector<double>& weight = {},
                           const std::vector<double>& bias = {}) {
  const auto xs = to_doubles(x), gs = to_doubles(g);
  const auto channels = size_t(x.dims[1]);
  size_t points = 1;
  for (size_t d = 2; d < x.dims.size(); ++d) points *= size_t(x.dims[d]);
  const double n = double(xs.size() / channels), eps = get_double(params, "eps", 1e-5);
  const double momentum = get_double(params, "momentum", 0.1);
  const bool clamp = get_text(params, "eps_mode", "plus") == "clamp";
  Tensors out{.y = xs, .dx = xs};
  for (size_t c = 0; c < channels; ++c) {
    auto each = [&](auto f) {
      for (size_t i = c * points; i < xs.size(); i += channels * points)
        for (size_t p = 0; p < points; ++p) f(i + p);
    };
    double sum = 0, m2 = 0, dbias = 0, dweight = 0;
    const double first = xs[c * points];
    each([&](size_t i) { sum += xs[i] - first; });
    const double mean = first + sum / n;
    each([&](size_t i) { m2 += (xs[i] - mean) * (xs[i] - mean); });
    const double var = m2 / n, inverse = 1 / std::sqrt(clamp ? std::max(var, eps) : var + eps);
    each([&](size_t i) { dbias += gs[i], dweight += gs[i] * (xs[i] - mean) * inverse; });
    const double w = weight.empty() ? 1 : weight[c], b = bias.empty() ? 0 : bias[c];
    const bool cut = clamp && var <= eps;
    each([&](size_t i) {
      const double xhat = (xs[i] - mean) * inverse;
      out.y[i] = xhat * w + b;
      out.dx[i] = w * inverse * (gs[i] - dbias / n - (cut ? 0 : xhat * dweight / n));
    });
    out.dweight.push_back(dweight), out.dbias.push_back(dbias);
    const bool biased = get_text(params, "running_var", "unbiased") == "biased";
    out.mean.push_back(momentum * mean);
    out.var.push_back((1 - momentum) + momentum * (biased ? var : m2 / (n - 1)));
  }
  return out;
}

struct Tolerance {
  double absolute = 0, relative = 0;  ///< |a - b| <= absolute + relative * |b|, each element
};

inline void expect_close(const std::vector<double>& got, const std::vector<double>& want,
                         Tolerance t, const std::string& what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  for (size_t i = 0; i < want.size(); ++i)
    ASSERT_LE(std::abs(got[i] - want[i]), t.absolute + t.relative * std::abs(want[i]))
        << what << "[" << i << "] is " << got[i] << ", by the book " << want[i];
}

inline void expect_close(const Tensors& got, const Tensors& want, Tolerance t,
                         const std::string& what) {
  expect_close(got.y, want.y, t, what + ": output");
  expect_close(got.dx, want.dx, t, what + ": dx");
  if (!got.dweight.empty()) {
    expect_close(got.dweight, want.dweight, t, what + ": dweight");
    expect_close(got.dbias, want.dbias, t, what + ": dbias");
  }
  if (got.mean.empty()) return;
  expect_close(got.mean, want.mean, t, what + ": running mean");
  expect_close(got.var, want.var, t, what + ": running var");
}

/// max|a - b| / max|b|
inline double apart(const std::vector<double>& got, const std::vector<double>& want) {
  EXPECT_EQ(got.size(), want.size());
  double off = 0, most = 0;
  for (size_t i = 0; i < std::min(got.size(), want.size()); ++i) {
    const double d = std::abs(got[i] - want[i]);
    off = std::isnan(d) ? INFINITY : std::max(off, d);
    most = std::max(most, std::abs(want[i]));
  }
  return off == 0 ? 0 : off / most;
}

}  // namespace braid::test::syncbn
