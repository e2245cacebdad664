// MultiheadAttention in single steps: ONNX has no operator for it.
#include <cmath>
#include <limits>

#include "libonnx/export/exporting.h"

namespace braid::onnx_export {
namespace {

class Attention {
 public:
  explicit Attention(Exporting& e)
      : e_(e),
        heads_(get_int(e.params(), "num_heads", 1)),
        features_(known(e.shape().back(), "the number of features")),
        bias_(get_bool(e.params(), "bias", true)) {}

  void run() {
    auto [q, k, v] = e_.same_input(0, 1) && e_.same_input(1, 2) ? of_one() : of_three();
    const auto scale = e_.scalar(1 / std::sqrt(double(features_ / heads_)));
    auto scores = e_.node(
        "MatMul", {e_.node("Mul", {by_head(q, {0, 2, 1, 3}), scale}), by_head(k, {0, 2, 3, 1})});
    if (e_.inputs() > 3) scores = masked(scores);
    const auto shares = e_.node("Softmax", {scores}, {{"axis", -1}});
    const auto mixed = e_.node("MatMul", {shares, by_head(v, {0, 2, 1, 3})});
    const auto rows = e_.node("Transpose", {mixed}, {{"perm", list({0, 2, 1, 3})}});
    out(e_.node("Reshape", {rows, e_.integers({0, 0, features_})}));
  }

 private:
  struct Projected {
    std::string query, key, value;
  };

  std::string plus(const std::string& x, const std::string& bias) {
    return e_.node("Add", {x, bias});
  }
  std::string turned(const std::string& w) {
    return e_.node("Transpose", {w}, {{"perm", list({1, 0})}});
  }

  // One product for all three, as the weights stand.
  Projected of_one() {
    auto x = e_.node("MatMul", {e_.in(), turned(e_.weight("in_proj_weight"))});
    if (bias_) x = plus(x, e_.weight("in_proj_bias"));
    auto parts = e_.nodes("Split", {x, thirds()}, 3, {{"axis", 2}});
    return {parts[0], parts[1], parts[2]};
  }

  Projected of_three() {
    const auto w = e_.nodes("Split", {e_.weight("in_proj_weight"), thirds()}, 3, {{"axis", 0}});
    Names b, x;
    if (bias_) b = e_.nodes("Split", {e_.weight("in_proj_bias"), thirds()}, 3, {{"axis", 0}});
    for (size_t i = 0; i < 3; ++i) {
      x.push_back(e_.node("MatMul", {e_.in(i), turned(w[i])}));
      if (bias_) x[i] = plus(x[i], b[i]);
    }
    return {x[0], x[1], x[2]};
  }

  std::string thirds() { return e_.integers({features_, features_, features_}); }

  /// [N, L, E] as [N, L, heads, E / heads], its dimensions in another order.
  std::string by_head(const std::string& x, const Ints& order) {
    const auto cut = e_.node("Reshape", {x, e_.integers({0, 0, heads_, features_ / heads_})});
    return e_.node("Transpose", {cut}, {{"perm", list(order)}});
  }

  std::string masked(const std::string& scores) {
    const auto mask = e_.node("Unsqueeze", {e_.in(3), e_.integers({1, 2})});
    return e_.node("Where", {mask, e_.scalar(-std::numeric_limits<double>::infinity()), scores});
  }

  void out(const std::string& rows) {
    const auto w = turned(e_.weight("out_proj.weight"));
    if (!bias_) return e_.emit("MatMul", {rows, w});
    e_.emit("Add", {e_.node("MatMul", {rows, w}), e_.weight("out_proj.bias")});
  }

  Exporting& e_;
  int64_t heads_, features_;
  bool bias_;
};

}  // namespace

void add_attention(Exporters& table) {
  table["MultiheadAttention"] = {
      [](Exporting& e) { Attention(e).run(); },
      "MatMul, Add, Split, Reshape, Transpose, Mul, Softmax; Unsqueeze and Where for a mask"};
}

}  // namespace braid::onnx_export
