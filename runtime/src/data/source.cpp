#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include <braid/core/random.h>
#include <braid/runtime/data.h>

#include "data/column.h"
#include "data/readers.h"
#include "data/spec.h"
#include "files/npy_format.h"

namespace braid {

namespace {

/// An input that is drawn: a pure function of the sample.
struct Drawn {
  DType dtype;
  int64_t elements;
  uint64_t key;
  Law law;
  Affine affine;

  template <class T>
  void fill_as(std::span<const int64_t> picked, T* out) const {
    for (int64_t sample : picked) {
      for (int64_t i = 0; i < elements; ++i) {
        uint64_t index = uint64_t(sample) * uint64_t(elements) + uint64_t(i);
        *out++ = T(affine(law == Law::normal ? normal(key, index) : uniform(key, index)));
      }
    }
  }

  void fill(std::span<const int64_t> picked, std::byte* out) const {
    if (dtype == DType::f64) return fill_as(picked, reinterpret_cast<double*>(out));
    fill_as(picked, reinterpret_cast<float*>(out));
  }
};

using Filler = std::variant<std::monostate, Column, Drawn>;

std::string full_path(const std::string& folder, const std::string& path) {
  return (std::filesystem::path(folder) / path).string();
}

}  // namespace

struct DataSource::Impl {
  std::vector<Filler> fillers;  ///< one per input of the model
  std::vector<std::string> names;
  int64_t samples = 0;
  bool shuffle = false;
  AugmentSpec augment = {};
  Extent size = {};  ///< of pictures as they are delivered
  uint64_t seed = 0;

  Impl(std::span<const InputDecl> inputs) : fillers(inputs.size()) {
    for (const InputDecl& input : inputs) names.push_back(input.name);
  }

  void add(size_t input, Column column, const Mark& mark) {
    if (samples != 0 && samples != column.samples) {
      throw Error(Fault::data, "E0342",
                  fmt::format("'{}' has {} samples, but '{}' has {}", column.file, column.samples,
                              first_file_, samples),
                  mark);
    }
    if (samples == 0) first_file_ = column.file;
    samples = column.samples;
    if (augment.any() && column.picture.planes > 0) check_picture(column, mark);
    fillers[input] = std::move(column);
  }

  const Column* column(size_t input) const { return std::get_if<Column>(&fillers[input]); }

  /// Of a sample as it is delivered.
  int64_t elements(const Column& column) const {
    if (!augment.cuts() || column.picture.planes == 0) return column.elements;
    return column.picture.planes * size.height * size.width;
  }

  /// Pictures as they are drawn in the epoch, else their middle.
  void fill(const Column& column, std::span<const int64_t> picked, std::optional<int64_t> epoch,
            std::byte* out) const {
    const PictureSize& stored = column.picture;
    bool as_stored = !augment.any() || stored.planes == 0 || (!epoch && !augment.cuts());
    if (as_stored) return column.fill(picked, out);
    if (augment.needs_bytes() || !column.extents.empty()) {
      return fill_worked_on(column, picked, epoch, out);
    }
    auto [height, width] = augment.crop.value_or(std::array{stored.height, stored.width});
    uint64_t key = random_key(seed, uint64_t(epoch.value_or(0)), hash_text("augment"));
    for (int64_t sample : picked) {
      Placement place = epoch ? drawn(augment, stored.height, stored.width, key, sample)
                              : middle(augment, stored.height, stored.width);
      column.fill_part(sample, place, height, width, out);
      out += elements(column) * int64_t(size_of(column.dtype));
    }
  }

  /// Pictures of bytes, each cut, flipped, turned and recolored by itself.
  void fill_worked_on(const Column& column, std::span<const int64_t> picked,
                      std::optional<int64_t> epoch, std::byte* out) const {
    const bool classes = holds_classes(column.dtype);
    const uint64_t key = random_key(seed, uint64_t(epoch.value_or(0)), hash_text("augment"));
    for (int64_t sample : picked) {
      auto [height, width] = column.extent(sample);
      Placement place =
          epoch ? drawn(augment, height, width, key, sample) : middle(augment, height, width);
      Box box{place.top, place.left, size.height, size.width};
      if (augment.resized_crop) {
        const ResizedCropSpec& part = *augment.resized_crop;
        box =
            epoch ? drawn_part(part, height, width, key, sample) : middle_part(part, height, width);
      }
      Pixels pixels = cut(column.bytes_of(sample), column.picture.planes, height, width, box);
      if (augment.resized_crop) pixels = resized(pixels, size.height, size.width, classes);
      if (place.mirror) flip_horizontally(pixels);
      if (place.upset) flip_vertically(pixels);
      if (epoch && augment.rotates()) {
        pixels = rotated(pixels, drawn_degrees(augment, key, sample));
      }
      if (epoch && augment.jitter && !classes) {
        jitter(pixels, drawn_jitter(*augment.jitter, key, sample));
      }
      column.fill_pixels(pixels, out);
      out += elements(column) * int64_t(size_of(column.dtype));
    }
  }

 private:
  // One crop is for all pictures of a sample.
  void check_picture(const Column& column, const Mark& mark) {
    if (!column.extents.empty()) return;  // each was compared with its partner
    const PictureSize& one = column.picture;
    if (first_picture_.planes == 0) first_picture_ = one, picture_file_ = column.file;
    if (one.height == first_picture_.height && one.width == first_picture_.width) return;
    throw Error(Fault::data, "E0363",
                fmt::format("'{}' has pictures of {}x{}, but '{}' of {}x{}: they cannot be cut "
                            "alike",
                            column.file, one.height, one.width, picture_file_,
                            first_picture_.height, first_picture_.width),
                mark);
  }

  std::string first_file_, picture_file_;
  PictureSize first_picture_;
};

namespace {

class Opener {
 public:
  Opener(const SourceSpec& spec, std::span<const InputDecl> inputs, const std::string& folder,
         uint64_t seed)
      : spec_(spec), inputs_(inputs), folder_(folder), seed_(seed) {}

  std::shared_ptr<const DataSource::Impl> open() {
    auto impl = std::make_shared<DataSource::Impl>(inputs_);
    impl->shuffle = spec_.shuffle;
    impl->augment = spec_.augment;
    impl->seed = seed_;
    for (const FillSpec& fill : spec_.fills) {
      const Shape& shape = inputs_[fill.input].type.shape;
      if (fill.law || !is_picture(inputs_[fill.input])) continue;
      impl->size = {shape[shape.size() - 2].value, shape.back().value};
    }
    if (spec_.kind == SourceKind::images) images_ = read_images(spec_, inputs_, folder_);
    if (spec_.kind == SourceKind::folder) images_ = read_classes(spec_, inputs_, folder_);
    if (spec_.kind == SourceKind::csv) columns_ = read_csv(path(spec_.path), spec_, inputs_);
    for (const FillSpec& fill : spec_.fills) {
      if (fill.law) {
        impl->fillers[fill.input] = drawn(fill);
      } else {
        impl->add(fill.input, column(fill), fill.path_mark);
      }
    }
    return impl;
  }

 private:
  std::string path(const std::string& typed) const { return full_path(folder_, typed); }

  Drawn drawn(const FillSpec& fill) const {
    const InputDecl& input = inputs_[fill.input];
    return {input.type.dtype, input.type.elements(1), random_key(seed_, 0, hash_text(input.name)),
            *fill.law, fill.affine};
  }

  Column column(const FillSpec& fill) {
    const InputDecl& input = inputs_[fill.input];
    if (spec_.kind == SourceKind::csv) {
      Column column = std::move(columns_[next_column_++]);
      if (is_picture(input)) make_picture(column, input, fill);
      return column;
    }
    std::string file = path(spec_.kind == SourceKind::folder ? spec_.path : fill.path);
    if (spec_.kind == SourceKind::images || spec_.kind == SourceKind::folder) {
      auto& [array, extents] = images_[next_image_++];
      return make_column(std::move(array), input, fill, spec_.augment, file, std::move(extents));
    }
    return make_column(raw(fill, file), input, fill, spec_.augment, file);
  }

  Array raw(const FillSpec& fill, const std::string& file) const {
    return spec_.kind == SourceKind::idx ? read_idx(file, fill.path_mark)
                                         : read_npy_samples(file, fill.path_mark);
  }

  const SourceSpec& spec_;
  std::span<const InputDecl> inputs_;
  const std::string& folder_;
  uint64_t seed_;
  std::vector<Column> columns_;
  std::vector<Pictures> images_;
  size_t next_column_ = 0, next_image_ = 0;
};

}  // namespace

Array read_npy_samples(const std::string& path, const Mark& mark) {
  posix::InputFile file(path, mark);
  NpyHeader header = read_npy_header(file, mark);
  Array array = Array::zeros(header.dtype, std::move(header.dims));
  file.read(header.data_begin, array.bytes);
  return array;
}

DataSource DataSource::open(const TypedDict& declared, std::span<const InputDecl> inputs,
                            const std::string& folder, uint64_t seed) {
  Diagnostics found;
  SourceSpec spec = read_spec(declared, inputs, found);
  found.raise(Fault::model);
  return DataSource(Opener(spec, inputs, folder, seed).open());
}

DataSource open_source(const SourceSpec& spec, std::span<const InputDecl> inputs) {
  return DataSource(Opener(spec, inputs, {}, 0).open());
}

DataSource DataSource::of(const std::map<std::string, Array>& arrays,
                          std::span<const InputDecl> inputs) {
  auto impl = std::make_shared<Impl>(inputs);
  for (const auto& [name, array] : arrays) {
    auto at = std::find(impl->names.begin(), impl->names.end(), name);
    if (at == impl->names.end()) {
      throw Error(Fault::usage, "E0331",
                  fmt::format("no input is named '{}'{}", name, did_you_mean(name, impl->names)));
    }
    size_t input = size_t(at - impl->names.begin());
    impl->add(input, make_column(array, inputs[input], {}, {}, name), {});
  }
  if (impl->samples == 0) throw Error(Fault::usage, "E0343", "a data source without arrays");
  return DataSource(std::move(impl));
}

int64_t DataSource::size() const { return impl_->samples; }
bool DataSource::shuffle() const { return impl_->shuffle; }
size_t DataSource::inputs() const { return impl_->fillers.size(); }

bool DataSource::fills(size_t input) const {
  return input < inputs() && !std::holds_alternative<std::monostate>(impl_->fillers[input]);
}

int64_t DataSource::bytes_per_sample(size_t input) const {
  if (const Column* column = impl_->column(input)) {
    return impl_->elements(*column) * int64_t(size_of(column->dtype));
  }
  const Drawn* drawn = std::get_if<Drawn>(&impl_->fillers[input]);
  return drawn ? drawn->elements * int64_t(size_of(drawn->dtype)) : 0;
}

void DataSource::fill(std::span<const int64_t> samples, size_t input, void* out,
                      std::optional<int64_t> epoch) const {
  for (int64_t sample : samples) ensure(sample >= 0 && sample < size(), "a sample out of range");
  auto* bytes = static_cast<std::byte*>(out);
  if (const Column* column = impl_->column(input)) {
    return impl_->fill(*column, samples, epoch, bytes);
  }
  const Drawn* drawn = std::get_if<Drawn>(&impl_->fillers[input]);
  ensure(drawn, "an input that its data source does not fill");
  drawn->fill(samples, bytes);
}

void DataSource::check_labels(size_t input, int64_t classes, int64_t ignored) const {
  const Column* column = impl_->column(input);
  if (!column || is_floating(column->dtype)) return;
  for (int64_t sample = 0; sample < size(); ++sample) {
    Array one = column->as_stored(sample);
    for (int64_t i = 0; i < one.elements(); ++i) {
      int64_t label = column->dtype == DType::i64 ? one.as<int64_t>()[size_t(i)]
                      : column->dtype == DType::i32
                          ? one.as<int32_t>()[size_t(i)]
                          : std::to_integer<int64_t>(one.bytes[size_t(i)]);
      if (label == ignored || (label >= 0 && label < classes)) continue;
      throw Error(Fault::data, "E0346",
                  fmt::format("'{}': label {} of sample {} is outside the {} classes 0 to {}",
                              column->file, label, sample, classes, classes - 1));
    }
  }
}

}  // namespace braid
