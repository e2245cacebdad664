#include <braid/core/type.h>

#include <array>

#include <braid/core/error.h>

namespace braid {
namespace {

struct DTypeRow {
  std::string_view name;
  size_t size;
};
constexpr std::array<DTypeRow, 8> dtypes = {{{"f32", 4},
                                             {"f64", 8},
                                             {"f16", 2},
                                             {"bf16", 2},
                                             {"i64", 8},
                                             {"i32", 4},
                                             {"u8", 1},
                                             {"bool", 1}}};

}  // namespace

size_t size_of(DType dtype) { return dtypes[size_t(dtype)].size; }

std::string_view to_string(DType dtype) { return dtypes[size_t(dtype)].name; }

std::optional<DType> parse_dtype(std::string_view name) {
  for (size_t i = 0; i < dtypes.size(); ++i)
    if (dtypes[i].name == name) return DType(i);
  return {};
}

std::string to_string(Dim dim) {
  if (dim.is_free()) return std::string(dim.free_name());
  if (!dim.batched) return std::to_string(dim.value);
  return dim.value == 1 ? "N" : std::to_string(dim.value) + "*N";
}

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (Dim dim : shape) text += (text.size() > 1 ? ", " : "") + to_string(dim);
  return text + "]";
}

std::string to_string(const Type& type) {
  return std::string(to_string(type.dtype)) + " " + to_string(type.shape);
}

int64_t Type::elements(int64_t n) const {
  int64_t product = 1;
  for (Dim dim : shape) {
    auto size = dim.batched ? checked_product(dim.value, n) : std::optional(dim.value);
    auto next = size ? checked_product(product, *size) : std::nullopt;
    if (!next)
      throw Error(
          Fault::model, "E0290",
          "a tensor of shape " + to_string(shape) + " has more elements than can be counted");
    product = *next;
  }
  return product;
}

std::vector<int64_t> Type::dims(int64_t n) const {
  std::vector<int64_t> sizes;
  for (Dim dim : shape) sizes.push_back(dim.at(n));
  return sizes;
}

std::optional<int64_t> checked_product(int64_t a, int64_t b) {
  int64_t product;
  if (a < 0 || b < 0 || __builtin_mul_overflow(a, b, &product)) return {};
  return product;
}

}  // namespace braid
