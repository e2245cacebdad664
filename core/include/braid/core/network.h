// Network: a Model written in C++, line by line as its YAML file would be.
//
//   Network net("digits");
//   net.replicas(2).batch(64);
//   Link image = net.input("image", DType::f32, {N, 64});
//   Link label = net.input("label", DType::i64, {N});
//   Link x = net.layer("fc1", "Linear", image, {{"out_features", 32}});
//   x = net.layer("relu", "ReLU", x);
//   x = net.layer("fc2", "Linear", x, {{"out_features", 10}});
//   net.output("logits", x).loss("CrossEntropy", {x, label}).optimizer("SGD", {{"lr", 0.1}});
//   Session session(net.model());
//
// Parameters are those of the YAML file, and so are the checks and their messages, which name the
// line of the call. What has no function here is a member of model().
#pragma once
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include <braid/core/model.h>

namespace braid {

/// The values that something takes: one or several.
struct Links : std::vector<Link> {
  Links(Link one) : std::vector<Link>{std::move(one)} {}
  Links(std::initializer_list<Link> several) : std::vector<Link>(several) {}
  Links(std::vector<Link> several) : std::vector<Link>(std::move(several)) {}
};

class Network {
 public:
  explicit Network(std::string name);

  Network& replicas(int64_t count);
  /// Samples of an optimizer step, and how many micro-batches they are cut into.
  Network& batch(int64_t global, int64_t accumulate = 1);
  Network& seed(uint64_t seed);

  /// `N` stands for the number of samples: {N, 3, 32, 32}.
  Link input(std::string name, DType dtype, Shape shape, const char* file = __builtin_FILE(),
             int line = __builtin_LINE());
  /// `path` is the prefix of its weights' keys, e.g. "layer1.0.conv1". Throws Error(model, "E0052")
  /// for one that is taken. The result is the layer's first output; Link::port names another one.
  Link layer(std::string path, std::string type, Links from, Dict params = {},
             const char* file = __builtin_FILE(), int line = __builtin_LINE());
  /// The layer that was added last, for what is rarer: freeze, sync, init, recompute.
  LayerItem& last() { return model_.layers.back(); }

  Network& output(std::string name, Link from, const char* file = __builtin_FILE(),
                  int line = __builtin_LINE());
  Network& loss(std::string type, Links from, Dict params = {}, std::string name = "loss",
                const char* file = __builtin_FILE(), int line = __builtin_LINE());
  Network& metric(std::string name, std::string type, Links from, Dict params = {},
                  const char* file = __builtin_FILE(), int line = __builtin_LINE());
  Network& optimizer(std::string type, Dict params, const char* file = __builtin_FILE(),
                     int line = __builtin_LINE());
  Network& schedule(std::string type, Dict params = {}, const char* file = __builtin_FILE(),
                    int line = __builtin_LINE());
  /// `data: {train: ..., test: ...}`; relative paths start at Model::folder.
  Network& train_data(std::string type, Dict params, const char* file = __builtin_FILE(),
                      int line = __builtin_LINE());
  Network& test_data(std::string type, Dict params, const char* file = __builtin_FILE(),
                     int line = __builtin_LINE());

  Model& model() { return model_; }
  const Model& model() const { return model_; }

 private:
  Mark at(const char* file, int line);
  TypedDict typed(std::string type, Dict params, const char* file, int line);
  TermDecl term(std::string name, std::string type, Links from, Dict params, Mark mark) const;

  Model model_;
  std::vector<std::shared_ptr<const Source>> sources_;  // the files of the calls
};

}  // namespace braid
