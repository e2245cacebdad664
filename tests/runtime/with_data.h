// A network with data to train and to test it on, in a folder of its own.
#pragma once
#include <braid/runtime/array.h>

#include "support/models.h"
#include "temp_folder.h"

namespace braid::test {

inline Model with_data(int replicas, const TempFolder& folder) {
  Model model = mlp(replicas);
  Array image = Array::zeros(DType::f32, {70, 20}), label = Array::zeros(DType::i64, {70});
  for (size_t i = 0; i < 1400; ++i) image.as<float>()[i] = float(normal(1, i));
  for (size_t i = 0; i < 70; ++i) label.as<int64_t>()[i] = int64_t(uniform_below(2, i, 10));
  write_npy(folder / "image.npy", image);
  write_npy(folder / "label.npy", label);
  model.folder = folder.path();
  auto column = [](const char* file) { return Dict{{"path", file}}; };
  model.train_data = TypedDict{
      .type = "Npy",
      .params = {
          {"image", column("image.npy")}, {"label", column("label.npy")}, {"shuffle", true}}};
  model.test_data = TypedDict{
      .type = "Npy", .params = {{"image", column("image.npy")}, {"label", column("label.npy")}}};
  model.schedule = TypedDict{.type = "cosine", .params = {{"warmup_steps", 3}}};
  model.train.steps = 40;
  return model;
}

}  // namespace braid::test
