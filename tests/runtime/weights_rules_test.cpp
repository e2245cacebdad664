// `weights: {rename, missing, extra, misshapen}`: files of weights that do not fit to the letter;
// and parameters that begin as a file says.
#include <gtest/gtest.h>

#include <braid/runtime/safetensors.h>

#include "support/models.h"
#include "temp_folder.h"

namespace braid::test {
namespace {

/// Weights of another seed, under keys as a wrapped module saves them.
TensorFile foreign(const Model& model, const std::string& prefix) {
  Model other = model;
  other.seed = 99;
  Session session(other);
  TensorFile file;
  for (auto& [key, array] : session.weights()) file.tensors[prefix + key] = array;
  return file;
}

struct Loaded {
  std::map<std::string, Array> before, after;
  std::string error;
};

Loaded load(Model model, const WeightsDecl& rules, const TensorFile& file) {
  TempFolder folder;
  write_safetensors(folder / "w.safetensors", file);
  model.weights = rules;
  Session session(model);
  Loaded out{.before = session.weights()};
  try {
    session.load_weights(folder / "w.safetensors");
  } catch (const Error& e) {
    EXPECT_EQ(e.fault(), Fault::data);
    out.error = e.what();
  }
  out.after = session.weights();
  return out;
}

TEST(WeightsRules, RenameTheBeginningsOfKeys) {
  Model model = mlp(2);
  auto file = foreign(model, "module.");
  EXPECT_NE(load(model, {}, file).error.find("missing in the file"), std::string::npos);
  auto loaded = load(model, {.rename = {{"module.", ""}}}, file);
  EXPECT_EQ(loaded.error, "");
  for (auto& [key, array] : loaded.after) EXPECT_EQ(array, file.tensors.at("module." + key)) << key;
}

TEST(WeightsRules, TheFirstRuleThatFitsCounts) {
  Model model = mlp(2);
  auto file = foreign(model, "");
  for (const char* name : {"weight", "bias"}) {
    auto part = file.tensors.extract("fc1." + std::string(name));
    part.key() = "net.stem." + std::string(name);
    file.tensors.insert(std::move(part));
  }
  auto loaded =
      load(model, {.rename = {{"net.stem.", "fc1."}, {"net.", ""}, {"fc1.", "no."}}}, file);
  EXPECT_EQ(loaded.error, "");
  EXPECT_EQ(loaded.after.at("fc1.weight"), file.tensors.at("net.stem.weight"));
}

TEST(WeightsRules, ARuleThatFitsNothingIsNamedWhereTheFileDoesNotFit) {
  Model model = mlp(2);
  auto said = load(model, {.rename = {{"modul.", ""}}}, foreign(model, "module.")).error;
  EXPECT_NE(said.find("no key of the file begins with 'modul.' (did you mean 'module.'?)"),
            std::string::npos)
      << said;
  EXPECT_EQ(load(model, {.rename = {{"modul.", ""}}}, foreign(model, "")).error, "");
}

TEST(WeightsRules, TwoKeysDoNotBecomeOne) {
  Model model = mlp(2);
  auto file = foreign(model, "");
  file.tensors["module.fc1.bias"] = file.tensors.at("fc1.bias");
  auto said = load(model, {.rename = {{"module.", ""}}}, file).error;
  EXPECT_NE(said.find("'fc1.bias' and 'module.fc1.bias' are both renamed to 'fc1.bias'"),
            std::string::npos)
      << said;
}

TEST(WeightsRules, WhatMayDifferIsLeftAsItBegins) {
  Model model = mlp(2);
  auto file = foreign(model, "");
  file.tensors.erase("fc1.weight");
  file.tensors["aux.weight"] = Array::zeros(DType::f32, {3});
  file.tensors["fc3.weight"] = Array::zeros(DType::f32, {3, 24});
  auto loaded =
      load(model, {.missing = {"fc1.*"}, .extra = {"aux.*"}, .misshapen = {"fc3.weight"}}, file);
  EXPECT_EQ(loaded.error, "");
  EXPECT_EQ(loaded.after.at("fc1.weight"), loaded.before.at("fc1.weight"));
  EXPECT_EQ(loaded.after.at("fc3.weight"), loaded.before.at("fc3.weight"));
  EXPECT_EQ(loaded.after.at("fc1.bias"), file.tensors.at("fc1.bias"));
  EXPECT_EQ(loaded.after.at("fc3.bias"), file.tensors.at("fc3.bias"));
}

TEST(WeightsRules, AnythingBeyondThatIsListedAndNothingIsChanged) {
  Model model = mlp(2);
  auto file = foreign(model, "");
  file.tensors.erase("fc1.weight");
  file.tensors.erase("fc3.weight");
  file.tensors["aux.weight"] = file.tensors["other.weight"] = Array::zeros(DType::f32, {3});
  file.tensors["fc3.bias"] = Array::zeros(DType::f32, {3});
  auto loaded = load(model, {.missing = {"fc1.*"}, .extra = {"aux.*"}}, file);
  for (const char* part : {"fc3.weight", "other.weight f32 [3]", "fc3.bias: file f32 [3], model"})
    EXPECT_NE(loaded.error.find(part), std::string::npos) << part << "\n" << loaded.error;
  for (const char* part : {"fc1.weight", "aux.weight"})
    EXPECT_EQ(loaded.error.find(part), std::string::npos) << part << "\n" << loaded.error;
  EXPECT_EQ(loaded.after, loaded.before);
}

TEST(InitFromFile, BeginsAsTheFileSays) {
  TempFolder folder;
  Model model = mlp(2);
  model.folder = folder.path();
  Array bias = Array::zeros(DType::f64, {24});
  for (size_t i = 0; i < 24; ++i) bias.as<double>()[i] = 0.1 * double(i);
  write_npy(folder / "bias.npy", bias);
  model.init.push_back({.match = {"fc1"}, .laws = {{"bias", Attr(Dict{{"npy", "bias.npy"}})}}});
  for (const char* engine : {"tbb", "reference"}) {
    Session session(model, {.devices = {"cpu"}, .engine = engine});
    auto weights = session.weights();
    auto values = std::as_const(weights.at("fc1.bias")).as<float>();
    for (size_t i = 0; i < 24; ++i) EXPECT_EQ(values[i], float(0.1 * double(i)));
  }
  write_npy(folder / "bias.npy", Array::zeros(DType::f32, {25}));
  Session session(model);
  EXPECT_EQ(error_of(folder, [&] { session.weights(); }),
            "E0314: '~/bias.npy' holds f32 [25], and 'fc1.bias' begins as f32 [24]");
}

}  // namespace
}  // namespace braid::test
