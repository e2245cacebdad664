// Maps over pictures: u8 [channels, height, width], or one plane without channels.
#include <algorithm>

#include <fmt/format.h>

#include "data/image_file.h"
#include "data/pixels.h"
#include "data/spec.h"
#include "pipeline/builtin.h"

namespace braid::builtin {
namespace {

const Array& picture(const Record& item, const std::string& name) {
  const Array& value = field(item, name);
  const bool shaped = value.dims.size() == 2 || value.dims.size() == 3;
  if (value.dtype != DType::u8 || !shaped || value.bytes.empty())
    refuse(item, name, "u8 [channels, height, width]");
  return value;
}

Pixels pixels_of(const Array& array) {
  const auto& dims = array.dims;
  Pixels pixels{dims.size() == 3 ? dims[0] : 1, dims[dims.size() - 2], dims.back(), {}};
  const auto bytes = array.as<uint8_t>();
  pixels.values.assign(bytes.begin(), bytes.end());
  return pixels;
}

class Resize {
 public:
  explicit Resize(const Dict& params)
      : field_(get_text(params, "field")), size_(get_ints(params, "size")) {
    if (size_.size() > 2)
      throw Error(Fault::run, "E0465", "size is the shorter side, or [height, width]");
  }

  Record operator()(Record item) const {
    const Array& whole = picture(item, field_);
    const Pixels from = pixels_of(whole);
    auto [height, width] = wanted(from);
    if (height > ImageLimits::side || width > ImageLimits::side ||
        height * width * from.planes > ImageLimits::values)
      refuse(item, field_, fmt::format("a picture that fits {}x{} pixels", height, width));
    const Pixels small = resized(from, height, width, false);
    std::vector<int64_t> dims = whole.dims;
    dims[dims.size() - 2] = height, dims.back() = width;
    item[field_] = Array::of<uint8_t>(dims, small.values);
    return item;
  }

 private:
  std::pair<int64_t, int64_t> wanted(const Pixels& from) const {
    if (size_.size() == 2) return {size_[0], size_[1]};
    const int64_t shorter = std::min(from.height, from.width);
    return {from.height * size_[0] / shorter, from.width * size_[0] / shorter};
  }

  std::string field_;
  std::vector<int64_t> size_;
};

/// Pillow's "L": ITU-R 601-2 luma.
Record gray(Record item, const std::string& name) {
  const Array& whole = picture(item, name);
  if (whole.dims.size() == 2 || whole.dims[0] == 1) return item;
  const Pixels from = pixels_of(whole);
  const size_t n = size_t(from.in_plane());
  std::vector<uint8_t> luma(from.values.begin(), from.values.begin() + int64_t(n));
  if (from.planes >= 3)
    for (size_t i = 0; i < n; ++i)
      luma[i] = uint8_t((from.values[i] * 19595U + from.values[n + i] * 38470U +
                         from.values[2 * n + i] * 7471U + 0x8000U) >>
                        16);
  item[name] = Array::of<uint8_t>({1, from.height, from.width}, luma);
  return item;
}

std::vector<double> numbers_in(const Dict& params, const char* name) {
  const Attr* value = find(params, name);
  if (value && value->is_number()) return {value->as_double()};
  auto numbers = get_doubles(params, name);
  if (numbers.empty())
    throw Error(Fault::run, "E0465", fmt::format("{} is a number, or a list of them", name));
  return numbers;
}

/// (x * scale - mean) / std, as data sources compute it.
class Normalize {
 public:
  explicit Normalize(const Dict& params)
      : field_(get_text(params, "field")), to_(text_or_none(params, "to")) {
    if (to_.empty()) to_ = field_;
    const auto means = numbers_in(params, "mean"), deviations = numbers_in(params, "std");
    const size_t channels = std::max(means.size(), deviations.size());
    if ((means.size() != channels && means.size() != 1) ||
        (deviations.size() != channels && deviations.size() != 1))
      throw Error(Fault::run, "E0465", "mean and std are for the same number of channels");
    for (size_t i = 0; i < channels; ++i) {
      channels_.push_back({get_double(params, "scale"), means[means.size() == 1 ? 0 : i],
                           deviations[deviations.size() == 1 ? 0 : i]});
      if (channels_.back().std == 0) throw Error(Fault::run, "E0465", "std is 0");
    }
  }

  Record operator()(Record item) const {
    const std::vector<double> values = numbers_of(item, field_);
    const auto dims = item.at(field_).dims;
    const size_t channels = channels_.size();
    if (channels > 1 && (dims.empty() || size_t(dims[0]) != channels))
      refuse(item, field_, fmt::format("a field of {} channels", channels));
    std::vector<float> out(values.size());
    const size_t plane = std::max<size_t>(values.size() / channels, 1);
    for (size_t i = 0; i < values.size(); ++i) out[i] = float(channels_[i / plane](values[i]));
    item[to_] = Array::of<float>(dims, out);
    return item;
  }

 private:
  std::string field_, to_;
  std::vector<Affine> channels_;
};

ParamDef any_number(std::string name, std::string doc, double fallback) {
  return {
      .name = std::move(name), .kind = ParamKind::any, .doc = std::move(doc), .fallback = fallback};
}

}  // namespace

void add_pictures(Stages& stages) {
  const ParamDef image = text_param("field", "the picture", "image");
  stages.map("resize", with_params({{.name = "size",
                                     .kind = ParamKind::integers,
                                     .doc = "[height, width], or the shorter side",
                                     .min = 1,
                                     .max = double(ImageLimits::side)},
                                    image},
                                   [](const Dict& params) { return Resize(params); }));
  stages.map("gray", with_params({image}, [](const Dict& params) {
               return [name = get_text(params, "field")](Record item) {
                 return gray(std::move(item), name);
               };
             }));
  stages.map("normalize", with_params({image,
                                       text_param("to", "the field of the result", {}, true),
                                       {.name = "scale",
                                        .kind = ParamKind::number,
                                        .doc = "(x * scale - mean) / std",
                                        .fallback = 1 / 255.0},
                                       any_number("mean", "one, or one for each channel", 0),
                                       any_number("std", "one, or one for each channel", 1)},
                                      [](const Dict& params) { return Normalize(params); }));
}

}  // namespace braid::builtin
