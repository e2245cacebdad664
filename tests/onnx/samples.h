// The registry's own samples as networks with random weights, for what is done to whole networks.
#pragma once
#include <algorithm>
#include <cmath>
#include <string>

#include <braid/compiler/compile.h>
#include <braid/core/random.h>
#include <braid/runtime/session.h>

#include "support/builtin.h"

namespace braid::test {

/// A network of one layer, all of whose outputs are outputs of the network.
inline Model network_of(const LayerDef& def, const Sample& sample) {
  Model model;
  model.name = def.name;
  auto source = std::make_shared<Source>(Source{"net.yaml", ""});
  model.mark = {source, 1, 1};
  LayerItem item{.path = "layer", .type = def.name, .params = sample.params};
  item.mark = item.type_mark = {source, 7, 5};
  for (size_t i = 0; i < sample.inputs.size(); ++i) {
    model.inputs.push_back({"x" + std::to_string(i), sample.inputs[i]});
    item.from.push_back(Link::input(int(i)));
  }
  if (std::ranges::none_of(sample.inputs, [](auto& t) { return t.batched(); }))
    model.inputs.push_back({"x", {DType::f32, {N, 2}}});
  model.layers.push_back(item);
  model.outputs = {{"out", Link::layer(0)}};
  Diagnostics found;
  const Graph graph = build(model, builtin(), {.mode = Mode::eval, .goal = Goal::forward}, found);
  found.raise();
  auto& ports = outputs_of(graph.calls[0]);
  for (size_t i = 1; i < graph.calls[0].out.size(); ++i)
    model.outputs.push_back({"out" + std::to_string(i), Link::layer(0, ports[i].name)});
  return model;
}

/// Normal numbers; variances above 0, counters as they are.
inline void randomize(std::map<std::string, Array>& weights, double scale, uint64_t key) {
  for (auto& [name, array] : weights) {
    ++key;
    if (array.dtype != DType::f32) continue;
    auto numbers = array.as<float>();
    const bool variance = name.ends_with("running_var");
    for (size_t i = 0; i < numbers.size(); ++i) {
      const double drawn = normal(key, i);
      numbers[i] = float(variance ? 0.5 + std::abs(drawn) : scale * drawn);
    }
  }
}

/// What a network may be fed: normal numbers, integers below `classes`.
inline Array drawn(const Type& type, int64_t batch, int64_t classes, bool positive, uint64_t key) {
  Array array = Array::zeros(type.dtype, type.dims(batch));
  const auto below = uint64_t(classes > 0 ? classes : 2);
  for (size_t i = 0; i < size_t(array.elements()); ++i) {
    if (type.dtype == DType::f32) {
      const double number = normal(key, i);
      array.as<float>()[i] = float(positive ? std::abs(number) + 0.25 : number);
    } else if (type.dtype == DType::i64) {
      array.as<int64_t>()[i] = int64_t(uniform_below(key, i, below));
    } else if (type.dtype == DType::i32) {
      array.as<int32_t>()[i] = int32_t(uniform_below(key, i, below));
    } else if (size_of(type.dtype) == 1) {
      array.bytes[i] = std::byte(uniform_below(key, i, 2));
    }
  }
  return array;
}

}  // namespace braid::test
