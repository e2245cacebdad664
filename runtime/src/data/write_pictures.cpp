#include <cmath>
#include <filesystem>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <braid/core/error.h>
#include <braid/runtime/files.h>
#include <braid/runtime/pictures.h>

#include "data/image_file.h"
#include "data/stb_write.h"

namespace braid {

namespace {

class Writer {
 public:
  Writer(const std::string& path, const Array& array) : path_(path), array_(array) {
    if (!path.ends_with(".png") && !path.ends_with(".PNG")) {
      refuse("only PNG is written, and its name does not end in .png");
    }
    const std::vector<int64_t>& dims = array.dims;
    bool shaped = dims.size() == 3 || (dims.size() == 4 && (dims[1] == 1 || dims[1] == 3));
    if (!shaped) refuse(fmt::format("it is [{}]", fmt::join(dims, ", ")));
    extent_ = {.width = dims.back(),
               .height = dims[dims.size() - 2],
               .channels = dims.size() == 4 ? dims[1] : 1};
    bool fits = extent_.width <= ImageLimits::side && extent_.height <= ImageLimits::side &&
                extent_.width * extent_.height * extent_.channels <= ImageLimits::values &&
                array.elements() > 0;
    if (!fits) refuse(fmt::format("it has {}x{} pixels", extent_.height, extent_.width));
  }

  std::vector<std::string> write() {
    convert();
    const int64_t samples = array_.dims[0];
    std::vector<std::string> names;
    for (int64_t sample = 0; sample < samples; ++sample) {
      names.push_back(name(sample, samples));
      std::string file = stb::encode_png(interleaved(sample), extent_);
      if (file.empty()) refuse("there is no memory left to compress it");
      write_file(names.back(), file);
    }
    return names;
  }

 private:
  [[noreturn]] void refuse(const std::string& why) const {
    throw Error(Fault::output, "E0604",
                fmt::format("what '{}' is to hold is no picture: {}", path_, why))
        .help(
            "pictures are [N, height, width] or [N, 1 or 3, height, width]; floats from 0 to 1, "
            "integers from 0 to 255; a name that ends in .npy takes any array");
  }

  void convert() {
    bytes_.reserve(size_t(array_.elements()));
    switch (array_.dtype) {
      case DType::f32:
        return convert_from<float>();
      case DType::f64:
        return convert_from<double>();
      case DType::i64:
        return convert_from<int64_t>();
      case DType::i32:
        return convert_from<int32_t>();
      case DType::u8:
        return convert_from<uint8_t>();
      case DType::boolean:
        for (std::byte b : array_.bytes) bytes_.push_back(b == std::byte{0} ? 0 : 255);
        return;
      default:
        refuse(fmt::format("it is {}", to_string(array_.dtype)));
    }
  }

  template <class T>
  void convert_from() {
    constexpr T most = std::is_floating_point_v<T> ? 1 : 255;
    for (T x : array_.as<T>()) {
      bool fits = x >= T(0) && x <= most;  // a NaN does not
      if (!fits) {
        int64_t sample = int64_t(bytes_.size()) / (array_.elements() / array_.dims[0]);
        refuse(fmt::format("sample {} has the value {}", sample, x));
      }
      bytes_.push_back(uint8_t(std::is_floating_point_v<T> ? std::nearbyint(255 * double(x)) : x));
    }
  }

  std::vector<uint8_t> interleaved(int64_t sample) const {
    const size_t n = size_t(extent_.width * extent_.height), planes = size_t(extent_.channels);
    std::vector<uint8_t> pixels(n * planes);
    const uint8_t* from = bytes_.data() + size_t(sample) * n * planes;
    for (size_t c = 0; c < planes; ++c) {
      for (size_t i = 0; i < n; ++i) pixels[i * planes + c] = *from++;
    }
    return pixels;
  }

  std::string name(int64_t sample, int64_t samples) const {
    if (samples == 1) return path_;
    const std::filesystem::path path(path_);
    const size_t digits = std::to_string(samples - 1).size();
    auto numbered =
        fmt::format("{}-{:0{}}{}", path.stem().string(), sample, digits, path.extension().string());
    return (path.parent_path() / numbered).string();
  }

  const std::string& path_;
  const Array& array_;
  stb::Extent extent_;
  std::vector<uint8_t> bytes_;  ///< in the array's order
};

}  // namespace

std::vector<std::string> write_pictures(const std::string& path, const Array& array) {
  return Writer(path, array).write();
}

}  // namespace braid
