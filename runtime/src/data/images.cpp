// Folders and lists of images: which files there are, which of them belong together, their pixels.
#include <algorithm>
#include <filesystem>
#include <map>
#include <new>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <braid/core/error.h>

#include "data/image_file.h"
#include "data/readers.h"
#include "posix/input_file.h"

namespace braid {

namespace fs = std::filesystem;

namespace {

/// Where the files of one input are, by their names without folder and ending, or by what a
/// pattern's `*` stands for.
struct Files {
  std::string from;                                             ///< the folder or list
  std::vector<std::pair<std::string, std::string>> named = {};  ///< stem, path
  std::map<std::string, std::string> by_stem = {};
};

bool is_image_name(const fs::path& path) {
  std::string ending = path.extension().string();
  for (char& c : ending) c = char(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  bool hidden = path.filename().string().starts_with('.');
  return !hidden && ending == ".png";
}

/// What the `*` of `pattern` stands for in a name that it matches.
std::optional<std::string> matched(std::string_view pattern, const std::string& name) {
  const size_t star = pattern.find('*');
  const std::string_view before = pattern.substr(0, star), after = pattern.substr(star + 1);
  if (name.size() < before.size() + after.size() || name.starts_with('.')) return {};
  if (!name.starts_with(before) || !name.ends_with(after)) return {};
  return name.substr(before.size(), name.size() - before.size() - after.size());
}

class Reader {
 public:
  Reader(const SourceSpec& spec, std::span<const InputDecl> inputs, const std::string& folder)
      : inputs_(inputs), folder_(folder), cropped_(spec.augment.crop.has_value()) {
    for (const FillSpec& fill : spec.fills) {
      if (!fill.law) fills_.push_back(&fill);
    }
  }

  std::vector<Array> read() {
    for (const FillSpec* fill : fills_) files_.push_back(find_files(*fill));
    pair();
    std::vector<Array> columns;
    for (size_t f = 0; f < fills_.size(); ++f) columns.push_back(decode(f));
    return columns;
  }

 private:
  Files find_files(const FillSpec& fill) {
    Files files{(fs::path(folder_) / fill.path).string()};
    std::vector<std::string> paths =
        fill.listed ? read_list(files.from, fill.path_mark) : read_folder(files.from, fill);
    for (std::string& path : paths) {
      std::string stem = fill.pattern.empty()
                             ? fs::path(path).stem().string()
                             : *matched(fill.pattern, fs::path(path).filename().string());
      auto [other, fresh] = files.by_stem.try_emplace(stem, path);
      if (!fresh) {
        throw Error(Fault::data, "E0362",
                    fmt::format("'{}' and '{}' have the same name, so it is not clear which "
                                "belongs to the others of that name",
                                other->second, path),
                    fill.path_mark);
      }
      files.named.emplace_back(std::move(stem), std::move(path));
    }
    if (files.named.empty()) {
      throw Error(Fault::data, "E0343", fmt::format("'{}' has no images", files.from),
                  fill.path_mark)
          .help(fill.listed            ? "one path per line"
                : fill.pattern.empty() ? "files that end in .png"
                                       : fmt::format("files named like {}", fill.pattern));
    }
    return files;
  }

  static std::vector<std::string> read_folder(const std::string& folder, const FillSpec& fill) {
    auto wanted = [&](const fs::path& path) {
      return fill.pattern.empty() ? is_image_name(path)
                                  : matched(fill.pattern, path.filename().string()).has_value();
    };
    std::error_code failed;
    std::vector<std::string> paths;
    fs::directory_iterator entry(folder, failed), end;
    for (; !failed && entry != end; entry.increment(failed)) {
      if (wanted(entry->path())) paths.push_back(entry->path().string());
    }
    if (failed) {
      throw Error(Fault::data, "E0301",
                  fmt::format("cannot read folder '{}': {}", folder, failed.message()),
                  fill.path_mark);
    }
    std::sort(paths.begin(), paths.end());  // a folder gives them in any order
    return paths;
  }

  static std::vector<std::string> read_list(const std::string& path, const Mark& mark) {
    posix::InputFile file(path, mark);
    if (file.size() > ImageLimits::file_bytes) {
      throw Error(Fault::data, "E0361", fmt::format("'{}' is too large for a list", path), mark);
    }
    std::string text(size_t(file.size()), '\0');
    file.read(0, std::as_writable_bytes(std::span(text)));
    std::vector<std::string> paths;
    for (size_t begin = 0; begin < text.size();) {
      size_t end = std::min(text.find('\n', begin), text.size());
      std::string line = text.substr(begin, end - begin);
      if (line.ends_with('\r')) line.pop_back();
      if (!line.empty()) paths.push_back((fs::path(path).parent_path() / line).string());
      begin = end + 1;
    }
    return paths;
  }

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

  Array decode(size_t f) {
    const FillSpec& fill = *fills_[f];
    const Type& type = inputs_[fill.input].type;
    std::vector<int64_t> dims = type.dims(int64_t(order_.size()));
    Array column{DType::u8, {}, {}};
    for (const std::string& stem : order_) {
      ImageFile file(files_[f].by_stem.at(stem), fill.path_mark);
      check_kind(file, inputs_[fill.input]);
      check_size(file, dims);
      size_t bytes = size_t(file.width() * file.height() * file.channels());
      if (column.bytes.empty()) make_room(column.bytes, file, bytes);
      column.bytes.resize(column.bytes.size() + bytes);
      file.decode(std::span(column.bytes).last(bytes));
    }
    dims[dims.size() - 2] = height_, dims.back() = width_;
    column.dims = std::move(dims);
    return column;
  }

  void make_room(std::vector<std::byte>& bytes, const ImageFile& file, size_t one) const try {
    bytes.reserve(order_.size() * one);
  } catch (const std::exception&) {
    file.refuse("E0361", fmt::format("{} images of this size need {} bytes of memory, more than "
                                     "there are",
                                     order_.size(), order_.size() * one));
  }

  static void check_kind(const ImageFile& file, const InputDecl& input) {
    int64_t channels = input.type.rank() == 4 ? input.type.shape[1].value : 1;
    if (file.channels() != channels) {
      file.refuse("E0364", fmt::format("it has {} channels, input '{}' has {}", file.channels(),
                                       input.name, channels));
    }
    DType dtype = input.type.dtype;
    bool classes = dtype == DType::i64 || dtype == DType::i32 || dtype == DType::boolean;
    if (!classes || file.exact()) return;
    file.refuse("E0364",
                fmt::format("the gray values of input '{}' are classes, and this file does not "
                            "keep them exactly",
                            input.name),
                "save it as a gray PNG with 8 bits");
  }

  // Without a crop the input says the size, with one the first file does.
  void check_size(const ImageFile& file, const std::vector<int64_t>& dims) {
    if (height_ == 0) {
      height_ = cropped_ ? file.height() : dims[dims.size() - 2];
      width_ = cropped_ ? file.width() : dims.back();
    }
    if (file.height() == height_ && file.width() == width_) return;
    file.refuse("E0363",
                fmt::format("it has {}x{} pixels, {} {}x{}", file.height(), file.width(),
                            cropped_ ? "the first of its source" : "its input", height_, width_),
                cropped_ ? "" : "scale the images, or cut them: augment: {crop: [h, w]}");
  }

  std::span<const InputDecl> inputs_;
  const std::string& folder_;
  bool cropped_;
  std::vector<const FillSpec*> fills_;
  std::vector<Files> files_;
  std::vector<std::string> order_;
  int64_t height_ = 0, width_ = 0;  ///< of all images; 0 = not known yet
};

}  // namespace

std::vector<Array> read_images(const SourceSpec& spec, std::span<const InputDecl> inputs,
                               const std::string& folder) {
  return Reader(spec, inputs, folder).read();
}

}  // namespace braid
