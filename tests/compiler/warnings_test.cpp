// What is allowed and probably not meant.
#include <gtest/gtest.h>

#include <braid/compiler/compile.h>
#include <braid/nodes/builtin.h>

namespace braid {
namespace {

std::string said(double momentum) {
  Model model;
  model.inputs = {{"x", {DType::f32, {N, 3, 4, 4}}}};
  model.layers = {{.path = "bn",
                   .type = "BatchNorm2d",
                   .params = {{"momentum", momentum}},
                   .from = {Link::input(0)}}};
  Registry registry;
  register_builtin(registry);
  Diagnostics found;
  check(model, registry, found);
  EXPECT_FALSE(found.has_errors());
  std::string text;
  for (auto& d : found.all()) text += render(d);
  return text;
}

TEST(Warnings, KerassMomentum) {
  EXPECT_EQ(said(0.1), "");
  EXPECT_EQ(
      said(0.99),
      "warning[W0201]: layer 'bn': 'momentum' is 0.99\n"
      "   help: momentum is PyTorch's: the weight of the new batch. Keras and TensorFlow give "
      "the weight of the old value: their 0.9 is 0.1 here\n");
}

}  // namespace
}  // namespace braid
