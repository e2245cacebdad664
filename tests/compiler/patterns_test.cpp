// Patterns over parameters: what is trained and how it begins.
#include <gtest/gtest.h>

#include <braid/compiler/compile.h>
#include <braid/dsl/read.h>
#include <braid/nodes/builtin.h>

namespace braid {
namespace {

std::map<std::string, StateVar> states_of(const std::string& rest) {
  Diagnostics found;
  Model model = read_text(R"(braid: 1
inputs: {x: {shape: [N, 8]}}
layers:
  - name: backbone
    layers:
      - {name: fc, type: Linear, out_features: 4}
      - {name: bn, type: BatchNorm1d}
  - {name: own, type: Linear, out_features: 4, freeze: false, init: {bias: 7}}
  - {name: head, type: Linear, out_features: 2}
)" + rest,
                          "nets/net.yaml", {}, found);
  Registry registry;
  register_builtin(registry);
  std::map<std::string, StateVar> states;
  for (auto& state : check(model, registry, found).states) states[state.key] = state;
  for (auto& d : found.all()) ADD_FAILURE() << render(d);
  return states;
}

TEST(FreezePatterns, MatchLayersAndParameters) {
  auto states =
      states_of(R"(freeze: {"*.bias": true, "backbone.*": params, backbone.fc.weight: false}
)");
  auto trained = [&](const std::string& key) { return states.at(key).trainable; };
  EXPECT_TRUE(trained("backbone.fc.weight"));  // the last line that matches
  EXPECT_FALSE(trained("backbone.fc.bias"));
  EXPECT_FALSE(trained("backbone.bn.weight"));
  EXPECT_TRUE(trained("head.weight"));
  EXPECT_FALSE(trained("head.bias"));
  EXPECT_TRUE(trained("own.bias"));  // the layer says so itself
}

TEST(FreezePatterns, ALineAboutTheLayerEndsThoseAboveIt) {
  auto states = states_of(R"(freeze: {"*.bias": true, "backbone.fc": false}
)");
  EXPECT_TRUE(states.at("backbone.fc.bias").trainable);
  EXPECT_FALSE(states.at("backbone.bn.bias").trainable);
}

TEST(InitPatterns, MatchLayersParametersAndTypes) {
  auto states = states_of(R"(init:
  - {types: [Linear], weight: {normal: {std: 0.5}}, bias: 1}
  - {match: "*.bias", bias: 2}
  - {match: ["backbone.*"], bias: 3}
  - {match: head, weight: {npy: head.npy}}
)");
  auto init = [&](const std::string& key) { return states.at(key).init; };
  EXPECT_EQ(init("backbone.fc.weight").law, Init::Law::normal);
  EXPECT_EQ(init("backbone.fc.weight").b, 0.5);
  EXPECT_EQ(init("backbone.bn.weight").a, 1);
  EXPECT_EQ(init("backbone.bn.bias").a, 3);
  EXPECT_EQ(init("head.bias").a, 2);
  EXPECT_EQ(init("own.bias").a, 7);  // the layer's own law wins
  EXPECT_EQ(init("head.weight").law, Init::Law::file);
  EXPECT_EQ(init("head.weight").path, "nets/head.npy");
}

Model with_spectral_norms() {
  Diagnostics found;
  Model model = read_text(R"(braid: 1
inputs: {x: {shape: [N, 3, 8, 8]}}
layers:
  - {name: a, type: Conv2d, out_channels: 4, kernel_size: 3, spectral_norm: true}
  - {name: b, type: ConvTranspose2d, out_channels: 5, kernel_size: 2, bias: false, spectral_norm: true}
)",
                          "net.yaml", {}, found);
  for (auto& d : found.all()) ADD_FAILURE() << render(d);
  return model;
}

TEST(SpectralNorm, HasPyTorchsKeysAndShapes) {
  Registry registry;
  register_builtin(registry);
  Diagnostics found;
  std::string keys;
  for (auto& state : check(with_spectral_norms(), registry, found).states)
    keys += (state.kind == StateVar::Kind::buffer ? "buffer " : "") + state.key + " " +
            to_string(state.type.shape) + "\n";
  EXPECT_FALSE(found.has_errors());
  EXPECT_EQ(keys,
            "a.weight_orig [4, 3, 3, 3]\nbuffer a.weight_u [4]\nbuffer a.weight_v [27]\n"
            "a.bias [4]\n"
            "b.weight_orig [4, 5, 2, 2]\nbuffer b.weight_u [5]\nbuffer b.weight_v [16]\n");
}

std::string refusal(const Model& model) {
  Registry registry;
  register_builtin(registry);
  try {
    compile(model, registry, {.mode = Mode::eval, .batch = 4, .devices = {"cpu"}});
  } catch (const Error& error) {
    return error.diagnostics()[0].code + ": " + error.diagnostics()[0].message;
  }
  return "";
}

TEST(NoKernels, AreAnErrorOfCompilationAlone) {
  Model model = with_spectral_norms();
  EXPECT_EQ(refusal(model), "E0808: layer 'a': spectral_norm has no kernels yet");
  for (auto& layer : model.layers) layer.spectral_norm = false;
  EXPECT_EQ(refusal(model), "");
  model.precision.compute = DType::bf16;
  EXPECT_EQ(refusal(model), "E0805: no kernels compute in bf16 yet");
}

}  // namespace
}  // namespace braid
