#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <braid/runtime/array.h>

namespace braid {

std::optional<int64_t> bytes_of(DType dtype, std::span<const int64_t> dims) {
  std::optional<int64_t> product = int64_t(size_of(dtype));
  for (int64_t d : dims) {
    product = checked_product(*product, d);
    if (!product) return std::nullopt;
  }
  return product;
}

Array Array::zeros(DType dtype, std::vector<int64_t> dims) {
  std::optional<int64_t> size = bytes_of(dtype, dims);
  if (!size) {
    throw Error(Fault::usage, "E0304",
                fmt::format("an array cannot have the sizes [{}]", fmt::join(dims, ", ")));
  }
  return {dtype, std::move(dims), std::vector<std::byte>(static_cast<size_t>(*size))};
}

int64_t Array::elements() const { return int64_t(bytes.size() / size_of(dtype)); }

namespace {

std::string described(DType dtype, const std::vector<int64_t>& dims) {
  return fmt::format("{} [{}]", to_string(dtype), fmt::join(dims, ", "));
}

void check_bytes(DType dtype, const std::vector<int64_t>& dims, size_t given) {
  if (bytes_of(dtype, dims) == int64_t(given)) return;
  throw Error(Fault::usage, "E0304",
              fmt::format("{} does not lie in {} bytes", described(dtype, dims), given));
}

}  // namespace

ConstView::ConstView(DType d, std::vector<int64_t> sizes, std::span<const std::byte> b)
    : dtype(d), dims(std::move(sizes)), bytes(b) {
  check_bytes(dtype, dims, bytes.size());
}

ConstView::ConstView(const Array& array)
    : dtype(array.dtype), dims(array.dims), bytes(array.bytes) {}

ArrayView::ArrayView(DType d, std::vector<int64_t> sizes, std::span<std::byte> b)
    : dtype(d), dims(std::move(sizes)), bytes(b) {
  check_bytes(dtype, dims, bytes.size());
}

ArrayView::ArrayView(Array& array) : dtype(array.dtype), dims(array.dims), bytes(array.bytes) {}

std::string to_string(const Array& array) { return described(array.dtype, array.dims); }
std::string to_string(const ConstView& view) { return described(view.dtype, view.dims); }
std::string to_string(const ArrayView& view) { return described(view.dtype, view.dims); }

void detail::check_view(const Array& array, DType wanted) {
  if (array.dtype == wanted) return;
  throw Error(Fault::usage, "E0304",
              fmt::format("an array of {} is used as one of {}", to_string(array.dtype),
                          to_string(wanted)));
}

void detail::check_count(int64_t expected, size_t given) {
  if (expected == int64_t(given)) return;
  throw Error(Fault::usage, "E0304",
              fmt::format("an array of {} elements is made from {}", expected, given));
}

}  // namespace braid
