// What a value inside of an attention is, so that nothing has to be taken on trust: its dimensions
// as axes of samples, of rows and of features, which Reshape cuts and joins, Transpose moves and
// Split takes parts of, and the products that it has been through.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <braid/core/type.h>

#include "libonnx/import/importing.h"

namespace braid::onnx_import {

struct Axis {
  enum class Kind : uint8_t { sample, row, key, feature } kind = Kind::feature;
  Dim size;
  int64_t stride = 1;  ///< along its kind, from one cell to the next
  bool operator==(const Axis&) const = default;
};
using Axes = std::vector<Axis>;  ///< the outermost first; none = a dimension of size 1

/// A projection of an input: x W + b, of which features from `offset` on are taken, times `scale`.
struct Part {
  std::string input, weight, bias;
  int64_t offset = 0;
  double scale = 1;
};

struct View {
  enum class Stage : uint8_t { input, projected, scores, shares, mixed, out } stage = Stage::input;
  std::vector<Axes> dims = {};
  int64_t features = 0;          ///< of the last product
  std::vector<Part> parts = {};  ///< query, key, value
  std::string mask = {};
  double scale = 1;                    ///< of the scores
  bool moved = false;                  ///< samples have not always been in front
  int64_t head = 0;                    ///< features that attend together
  std::string weight = {}, bias = {};  ///< of the product behind
  bool kept = false;                   ///< its weight has a row for each result
};

Dim size_of(const Axes& axes);
Shape shape_of(const View& view);
/// The same cells in other dimensions. `batch` = samples of a file that fixes them.
std::optional<std::vector<Axes>> regrouped(const std::vector<Axes>& dims, const Shape& to,
                                           int64_t batch);
/// Axes of size 1 are left out, those that follow each other are one.
Axes joined(const Axes& axes);

inline Axes all_features(int64_t size) { return joined({{Axis::Kind::feature, size}}); }
/// Throws Uncovered.
inline void demand(bool right) {
  if (!right) cannot("it is no attention");
}

/// What the node makes of views. Throws Uncovered where it is no step of an attention.
void attend(Importing& i);
/// The layer that the node is the last step of.
void emit_attention(Importing& i);

}  // namespace braid::onnx_import
