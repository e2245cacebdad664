#include "braid_part.h"

#include <braid/runtime/session.h>

#include <stdexcept>

namespace {

constexpr const char* network = R"(braid: 1
name: guest
seed: 5
replicas: 4
batch: {global: 16}
inputs:
  image: {shape: [N, 3, 12, 12], dtype: f32}
  label: {shape: [N], dtype: i64}
layers:
  - {type: Conv2d, from: image, out_channels: 16, kernel_size: 3, padding: 1}
  - BatchNorm2d
  - ReLU
  - {type: MaxPool2d, kernel_size: 2}
  - Flatten
  - {name: fc, type: Linear, out_features: 10}
outputs: {logits: fc}
loss: {type: CrossEntropy, from: [fc, label]}
optimizer: {type: Adam, lr: 0.01}
)";

void append(std::vector<float>& all, const braid::Array& array) {
  auto values = array.as<float>();
  all.insert(all.end(), values.begin(), values.end());
}

void be_refused() {
  try {
    braid::Session::parse("braid: 1\nname: bad\nlayers: [Nonsense]\n");
  } catch (const braid::Error&) {
    return;
  }
  throw std::runtime_error("a wrong network was not refused");
}

}  // namespace

std::vector<float> braid_work() {
  be_refused();
  auto session = braid::Session::parse(network, "guest.yaml", {.devices = {"cpu:0", "cpu:1"}});
  auto image = braid::Array::zeros(braid::DType::f32, {16, 3, 12, 12});
  auto label = braid::Array::zeros(braid::DType::i64, {16});
  unsigned state = 1;
  for (float& value : image.as<float>()) {
    state = state * 1664525u + 1013904223u;
    value = float(int(state >> 8) - (1 << 23)) / float(1 << 23);
  }
  for (int64_t i = 0; i < 16; ++i) label.as<int64_t>()[size_t(i)] = i % 10;
  for (int i = 0; i < 6; ++i) session.step({{"image", image}, {"label", label}});
  std::vector<float> all;
  for (auto& [name, array] : session.weights())
    if (array.dtype == braid::DType::f32) append(all, array);
  append(all, session.run({{"image", image}}, {"logits"}).at("logits"));
  return all;
}
