// Sources of images: which of their files belong together, and their pixels.
#include <algorithm>
#include <filesystem>
#include <new>
#include <optional>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include <braid/core/error.h>

#include "data/image_file.h"
#include "data/image_names.h"
#include "data/pixels.h"
#include "data/readers.h"

namespace braid {

namespace {

/// Files of pictures, one of them for each input, to bytes.
class Decoder {
 public:
  Decoder(const SourceSpec& spec, std::span<const InputDecl> inputs)
      : spec_(spec), inputs_(inputs), free_(spec.augment.cuts()) {}

  Pictures decode(const FillSpec& fill, const std::vector<std::string>& paths) {
    const InputDecl& input = inputs_[fill.input];
    sizes_.reserve(paths.size());
    Pictures pictures{Array{DType::u8, {}, {}}};
    for (size_t i = 0; i < paths.size(); ++i) {
      ImageFile file(paths[i], fill.path_mark);
      check_kind(file, input);
      Extent size = scaled(file);
      check_size(file, size, input, i);
      size_t bytes = size_t(size.height * size.width * file.channels());
      auto& all = pictures.array.bytes;
      if (all.empty()) make_room(all, file, paths.size(), bytes);
      append(all, file, size, input, bytes);
      pictures.extents.push_back(size);
    }
    finish(pictures, input.type.dims(int64_t(paths.size())));
    return pictures;
  }

 private:
  Extent scaled(const ImageFile& file) const {
    Extent own{file.height(), file.width()};
    if (!spec_.resize) return own;
    if (spec_.resize->width > 0) return {spec_.resize->height, spec_.resize->width};
    // torchvision's: the longer side is rounded down.
    int64_t side = spec_.resize->height, shorter = std::min(own.height, own.width);
    return {own.height * side / shorter, own.width * side / shorter};
  }

  static void append(std::vector<std::byte>& all, const ImageFile& file, const Extent& size,
                     const InputDecl& input, size_t bytes) try {
    size_t at = all.size();
    all.resize(at + bytes);
    if (size == Extent{file.height(), file.width()}) {
      return file.decode(std::span(all).subspan(at));
    }
    Pixels whole{file.channels(), file.height(), file.width(), {}};
    whole.values.resize(size_t(whole.planes * whole.in_plane()));
    file.decode(std::as_writable_bytes(std::span(whole.values)));
    Pixels small = resized(whole, size.height, size.width, holds_classes(input.type.dtype));
    std::ranges::copy(std::as_bytes(std::span(small.values)), all.begin() + int64_t(at));
  } catch (const std::bad_alloc&) {
    file.refuse("E0361", "there is no memory left for its pixels");
  }

  void finish(Pictures& pictures, std::vector<int64_t> dims) {
    auto& extents = pictures.extents;
    bool same = std::all_of(extents.begin(), extents.end(),
                            [&](const Extent& e) { return e == extents[0]; });
    if (same) {
      dims[dims.size() - 2] = extents[0].height, dims.back() = extents[0].width;
      pictures.array.dims = std::move(dims);
      extents.clear();
    } else {
      pictures.array.dims = {int64_t(pictures.array.bytes.size())};
    }
  }

  static void make_room(std::vector<std::byte>& bytes, const ImageFile& file, size_t count,
                        size_t one) try {
    bytes.reserve(count * one);
  } catch (const std::exception&) {
    file.refuse("E0361", fmt::format("{} images of this size need {} bytes of memory, more than "
                                     "there are",
                                     count, count * one));
  }

  static void check_kind(const ImageFile& file, const InputDecl& input) {
    int64_t channels = input.type.rank() == 4 ? input.type.shape[1].value : 1;
    if (file.channels() != channels) {
      file.refuse("E0364", fmt::format("it has {} channels, input '{}' has {}", file.channels(),
                                       input.name, channels));
    }
    if (!holds_classes(input.type.dtype) || file.exact()) return;
    file.refuse("E0364",
                fmt::format("the gray values of input '{}' are classes, and this file does not "
                            "keep them exactly",
                            input.name),
                "save it as a gray PNG with 8 bits");
  }

  // The input says the size, unless a part is cut out; then all pictures of a sample have one.
  void check_size(const ImageFile& file, const Extent& size, const InputDecl& input, size_t i) {
    if (size.height > ImageLimits::side || size.width > ImageLimits::side) {
      file.refuse("E0361", fmt::format("scaled it has {}x{} pixels, sides of more than {}",
                                       size.height, size.width, ImageLimits::side));
    }
    const Shape& shape = input.type.shape;
    const Extent wanted{shape[shape.size() - 2].value, shape.back().value};
    const bool first = sizes_.size() == i;
    if (first) sizes_.push_back(free_ ? size : wanted);
    if (size == sizes_[i]) return check_crop(file, size);
    const char* scaled = spec_.resize ? "scaled it has" : "it has";
    const char* whose = free_ ? "its partner" : "its input";
    file.refuse(
        "E0363",
        fmt::format("{} {}x{} pixels, {} {}x{}", scaled, size.height, size.width, whose,
                    sizes_[i].height, sizes_[i].width),
        free_ ? ""
              : fmt::format("scale it, resize: [{}, {}], or cut it, resize: {} and "
                            "augment: {{crop: [{}, {}]}}",
                            wanted.height, wanted.width, std::min(wanted.height, wanted.width),
                            wanted.height, wanted.width));
  }

  void check_crop(const ImageFile& file, const Extent& size) const {
    if (!spec_.augment.crop) return;
    const auto& [rows, columns] = *spec_.augment.crop;
    const int64_t around = 2 * spec_.augment.padding;
    if (size.height + around >= rows && size.width + around >= columns) return;
    file.refuse("E0365",
                fmt::format("it has {}x{} pixels with {} of padding, too small for a crop "
                            "of {}x{}",
                            size.height, size.width, spec_.augment.padding, rows, columns),
                "resize: N scales the shorter side to N");
  }

  const SourceSpec& spec_;
  std::span<const InputDecl> inputs_;
  bool free_;                  ///< whether a part is cut out
  std::vector<Extent> sizes_;  ///< of the samples
};

/// Folders, lists and patterns, their files paired by name.
class Pairs {
 public:
  Pairs(const SourceSpec& spec, const std::string& folder) {
    for (const FillSpec& fill : spec.fills) {
      if (fill.law) continue;
      fills_.push_back(&fill);
      files_.push_back(find_images(fill, folder));
    }
    pair();
  }

  std::vector<std::string> paths(size_t f) const {
    std::vector<std::string> paths;
    for (const std::string& stem : order_) paths.push_back(files_[f].by_stem.at(stem));
    return paths;
  }
  const std::vector<const FillSpec*>& fills() const { return fills_; }

 private:
  // The order is the first list's, else the first folder's. A list may pick some of a folder.
  void pair() {
    size_t leader = 0;
    while (leader < fills_.size() && !fills_[leader]->listed) ++leader;
    bool picks = leader < fills_.size();
    if (!picks) leader = 0;
    for (const auto& entry : files_[leader].named) order_.push_back(entry.first);
    for (size_t f = 0; f < fills_.size(); ++f) {
      if (f == leader) continue;
      find_partners(leader, f);
      if (!picks || fills_[f]->listed) find_partners(f, leader);
    }
  }

  void find_partners(size_t of, size_t among) const {
    for (const auto& [stem, path] : files_[of].named) {
      if (files_[among].by_stem.contains(stem)) continue;
      throw Error(
          Fault::data, "E0362",
          fmt::format("'{}' has no partner named '{}' in '{}'", path, stem, files_[among].from),
          fills_[among]->path_mark);
    }
  }

  std::vector<const FillSpec*> fills_;
  std::vector<ImageNames> files_;
  std::vector<std::string> order_;
};

}  // namespace

std::vector<Pictures> read_images(const SourceSpec& spec, std::span<const InputDecl> inputs,
                                  const std::string& folder) {
  Decoder decoder(spec, inputs);
  std::vector<Pictures> columns;
  // Files that were named themselves have no partners.
  if (!spec.fills[0].files.empty()) {
    columns.push_back(decoder.decode(spec.fills[0], spec.fills[0].files));
    return columns;
  }
  const Pairs pairs(spec, folder);
  for (size_t f = 0; f < pairs.fills().size(); ++f) {
    columns.push_back(decoder.decode(*pairs.fills()[f], pairs.paths(f)));
  }
  return columns;
}

std::vector<Pictures> read_classes(const SourceSpec& spec, std::span<const InputDecl> inputs,
                                   const std::string& folder) {
  const ClassFiles files = find_classes(spec, folder);
  Decoder decoder(spec, inputs);
  std::vector<Pictures> columns;
  for (const FillSpec& fill : spec.fills) {
    if (fill.law) continue;
    if (fill.label) {
      columns.push_back({Array::of<int64_t>({int64_t(files.labels.size())}, files.labels)});
    } else {
      columns.push_back(decoder.decode(fill, files.paths));
    }
  }
  return columns;
}

}  // namespace braid
