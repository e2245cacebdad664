// The weights of an attention, from the products that it was written as.
#include <algorithm>
#include <cmath>

#include "libonnx/import/view.h"

namespace braid::onnx_import {
namespace {

/// Rows of in_proj_weight: a projection's columns.
void append_rows(Array& to, size_t part, const Known& weight, int64_t offset, int64_t features) {
  const int64_t columns = weight.dims[1];
  demand(weight.dims[0] == features && offset >= 0 && offset + features <= columns);
  float* at = to.as<float>().data() + part * size_t(features * features);
  for (int64_t r = 0; r < features; ++r)
    for (int64_t c = 0; c < features; ++c) *at++ = weight.floats[size_t(c * columns + offset + r)];
}

class Layer {
 public:
  Layer(Importing& i, const View& view)
      : i_(i), view_(view), features_(view.features), head_(view.head) {}

  void emit() {
    const bool bias = !view_.bias.empty();
    Weights weights{in_weight()};
    if (bias) weights.push_back(in_bias());
    weights.push_back(out_weight());
    if (bias) weights.push_back(as_weight("out_proj.bias", view_.bias));
    std::vector<Value> from;
    for (auto& part : view_.parts) {
      demand(part.bias.empty() != bias);
      from.push_back(i_.operand(part.input));
    }
    if (!view_.mask.empty()) from.push_back(i_.operand(view_.mask));
    const int64_t heads = features_ / head_;
    const double scale =
        view_.scale * view_.parts[0].scale * view_.parts[1].scale * std::sqrt(double(head_));
    // What scales its scores is somebody's own: it stays so where its nodes are layers, too.
    demand(view_.scale == 1 || view_.moved);
    demand(std::abs(scale - 1) < 1e-6 && view_.parts[2].scale == 1);
    Dict params{{"num_heads", heads}};
    if (!bias) set(params, "bias", false);
    set(params, "batch_first", true);
    i_.emit("MultiheadAttention", params, from, std::move(weights));
  }

 private:
  const Known& known(const std::string& name) const { return *i_.network().values.at(name).known; }

  Weight as_weight(const std::string& name, const std::string& tensor) const {
    const std::string& origin = known(tensor).origin;
    return {name, as_array(known(tensor)), origin.empty() ? tensor : origin};
  }

  /// All three of one tensor are that tensor's: a layer that is called again shares it.
  std::string origin(bool weight) const {
    std::string all;
    for (size_t k = 0; k < 3; ++k) {
      auto& part = view_.parts[k];
      const std::string& name = weight ? part.weight : part.bias;
      if (part.offset != int64_t(k) * features_ || (k && name != all)) return {};
      all = name;
    }
    const std::string& origin = known(all).origin;
    return origin.empty() ? all : weight ? turned_origin(origin) : origin;
  }

  Weight in_weight() const {
    Array array = Array::zeros(DType::f32, {3 * features_, features_});
    for (size_t k = 0; k < 3; ++k)
      append_rows(array, k, known(view_.parts[k].weight), view_.parts[k].offset, features_);
    return {"in_proj_weight", std::move(array), origin(true)};
  }

  Weight in_bias() const {
    Array array = Array::zeros(DType::f32, {3 * features_});
    for (size_t k = 0; k < 3; ++k) {
      auto& part = view_.parts[k];
      demand(!part.bias.empty());
      const auto& from = known(part.bias).floats;
      demand(part.offset + features_ <= int64_t(from.size()));
      std::copy_n(from.begin() + part.offset, features_,
                  array.as<float>().begin() + int64_t(k) * features_);
    }
    return {"in_proj_bias", std::move(array), origin(false)};
  }

  Weight out_weight() const {
    Weight weight = as_weight("out_proj.weight", view_.weight);
    if (view_.kept) return weight;
    weight.source = turned_origin(weight.source);
    const Array given = weight.array;
    for (int64_t r = 0; r < features_; ++r)
      for (int64_t c = 0; c < features_; ++c)
        weight.array.as<float>()[size_t(r * features_ + c)] =
            given.as<float>()[size_t(c * features_ + r)];
    return weight;
  }

  Importing& i_;
  const View& view_;
  int64_t features_, head_;
};

}  // namespace

void emit_attention(Importing& i) {
  attend(i);
  const auto kept = i.network().values.at(i.node().output(0)).view;
  demand(kept && kept->stage == View::Stage::out && kept->dims.size() == 3 &&
         kept->parts.size() == 3);
  demand(kept->dims[2] == all_features(kept->features));
  const Shape query = i.network().type(i.operand(kept->parts[0].input)).shape;
  demand(kept->dims[0] == joined({{Axis::Kind::sample, query[0]}}) &&
         kept->dims[1] == joined({{Axis::Kind::row, query[1]}}));
  Layer(i, *kept).emit();
}

}  // namespace braid::onnx_import
