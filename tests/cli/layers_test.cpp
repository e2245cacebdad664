// The reference pages: they are current, and the example of each is a network that is right and
// that trains.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include <braid/nodes/builtin.h>
#include <braid/runtime/session.h>

#include "cli/command.h"

namespace braid::test {
namespace {

TEST(Layers, TheReferenceIsCurrent) {
  auto pages = braid_command({"layers", "--markdown"});
  ASSERT_EQ(pages.code, 0) << pages.err;
  EXPECT_EQ(pages.out, read_text(source("docs/layers.md")))
      << "docs/layers.md is not current: braid layers --markdown > docs/layers.md";
}

TEST(Layers, APageIsTheSameAloneAndAmongOthers) {
  auto page = braid_command({"layers", "Conv2d"});
  ASSERT_EQ(page.code, 0) << page.err;
  EXPECT_NE(read_text(source("docs/layers.md")).find(page.out), std::string::npos) << page.out;
  for (std::string part :
       {"A 2-d convolution", "torch.nn.Conv2d", "`stride`: int or list of 2, default 1",
        "at least 1", "type: Conv2d", "`conv2d.weight` [", "gives `[N, "})
    EXPECT_NE(page.out.find(part), std::string::npos) << part << "\n" << page.out;
}

/// What each type's page shows.
std::vector<std::pair<std::string, std::string>> examples() {
  std::vector<std::pair<std::string, std::string>> all;
  const Json pages = braid_command({"layers", "--json"}).json();
  for (auto& page : pages.at("layers")) all.emplace_back(page.at("name"), page.at("example"));
  return all;
}

Model model_of(const std::string& name, const std::string& text) {
  Diagnostics found;
  Model model = read_text(text, name + ".yaml", {}, found);
  found.raise();
  return model;
}

/// A loss over the last layer, where it has rows of numbers, and an optimizer.
std::string with_training(const std::string& example, const Type& result) {
  std::string text = example;
  if (text.find("\nloss:") == std::string::npos) {
    text.replace(text.find("layers:"), 0, "  its_class: {shape: [N], dtype: i64}\n");
    if (result.rank() > 2) text += "  - Flatten\n";
    text +=
        "  - {name: scores, type: Linear, out_features: 3}\n"
        "loss: {type: CrossEntropy, from: [scores, its_class]}\n";
  }
  if (text.find("\noptimizer:") == std::string::npos) text += "optimizer: {type: SGD, lr: 0.01}\n";
  return text;
}

/// Small numbers, none equal to its neighbours, for layers that say so above 0.
Array numbers(const Type& type, int64_t batch, bool positive) {
  std::vector<int64_t> dims;
  for (auto& dim : type.shape) dims.push_back(dim.batched ? dim.value * batch : dim.value);
  if (type.dtype != DType::f32) return Array::zeros(type.dtype, dims);
  auto size = std::accumulate(dims.begin(), dims.end(), int64_t{1}, std::multiplies<>());
  std::vector<float> values(static_cast<size_t>(size));
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = float(i * 7 % 11) / 11 + (positive ? 0.1f : -0.4f);
  return Array::of<float>(dims, values);
}

TEST(Layers, EveryExampleIsRightAndTrains) {
  Registry registry;
  register_builtin(registry);
  int trained = 0;
  for (auto& [name, example] : examples()) {
    SCOPED_TRACE(name + ":\n" + example);
    ASSERT_NE(example, "");
    EXPECT_NE(example.find("type: " + name), std::string::npos);
    Diagnostics found;
    Model model = model_of(name, example);
    Summary summary = check(model, registry, found);
    ASSERT_FALSE(found.has_errors()) << render(found.all().front());
    const bool rows = !summary.layers.empty() && summary.layers.back().shape.size() > 1 &&
                      summary.layers.back().shape[0] == N;
    const bool measured = !model.metrics.empty();
    if (!rows) continue;
    try {
      const Type result{DType::f32, summary.layers.back().shape};
      Session session(measured ? model : model_of(name, with_training(example, result)));
      std::map<std::string, Array> inputs;
      const bool positive = registry.layer(name)->samples.at(0).positive;
      for (auto& input : session.model().inputs)
        inputs[input.name] = numbers(input.type, 4, positive);
      if (measured)
        session.run(inputs);
      else
        EXPECT_TRUE(std::isfinite(session.step(inputs).loss));
      ++trained;
    } catch (const Error& error) {
      // Defined, and not there on this device: `plan` says so.
      const std::string code = error.diagnostics().front().code;
      EXPECT_TRUE(code == "E0220" || code == "E0423") << error.what();  // or nothing is bound
    }
  }
  EXPECT_GE(trained, 25);
}

}  // namespace
}  // namespace braid::test
