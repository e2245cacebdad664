#include "data/image_names.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <span>
#include <string_view>
#include <tuple>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <braid/core/error.h>

#include "data/image_file.h"
#include "posix/input_file.h"

namespace braid {

namespace fs = std::filesystem;

namespace {

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

[[noreturn]] void refuse_folder(const std::string& folder, const std::error_code& why,
                                const Mark& mark) {
  throw Error(Fault::data, "E0301",
              fmt::format("cannot read folder '{}': {}", folder, why.message()), mark);
}

std::vector<std::string> read_folder(const std::string& folder, const FillSpec& fill) {
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
  if (failed) refuse_folder(folder, failed, fill.path_mark);
  std::sort(paths.begin(), paths.end());  // a folder gives them in any order
  return paths;
}

std::vector<std::string> read_list(const std::string& path, const Mark& mark) {
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

std::vector<std::string> folders_in(const std::string& folder, const Mark& mark) {
  std::error_code failed;
  std::vector<std::string> names;
  fs::directory_iterator entry(folder, failed), end;
  for (; !failed && entry != end; entry.increment(failed)) {
    std::error_code ignored;
    std::string name = entry->path().filename().string();
    if (entry->is_directory(ignored) && !name.starts_with('.')) names.push_back(std::move(name));
  }
  if (failed) refuse_folder(folder, failed, mark);
  std::sort(names.begin(), names.end());
  return names;
}

/// The images in a folder and in those below it, a folder's own first, as torchvision orders them.
std::vector<std::string> images_below(const std::string& folder, const Mark& mark) {
  std::error_code failed;
  std::vector<std::string> paths;
  fs::recursive_directory_iterator entry(folder, failed), end;
  for (; !failed && entry != end; entry.increment(failed)) {
    std::error_code ignored;
    if (is_image_name(entry->path()) && !entry->is_directory(ignored)) {
      paths.push_back(entry->path().string());
    }
  }
  if (failed) refuse_folder(folder, failed, mark);
  auto place = [](const std::string& path) {
    size_t slash = path.rfind('/') + 1;
    return std::pair(path.substr(0, slash), path.substr(slash));
  };
  std::sort(paths.begin(), paths.end(),
            [&](const std::string& a, const std::string& b) { return place(a) < place(b); });
  return paths;
}

/// The declared classes, all of whose folders are there and no others.
void check_classes(const SourceSpec& spec, const std::string& from,
                   const std::vector<std::string>& found) {
  for (const std::string& name : found) {
    if (std::find(spec.classes.begin(), spec.classes.end(), name) != spec.classes.end()) continue;
    throw Error(Fault::data, "E0366",
                fmt::format("'{}' has a folder '{}', which is none of the classes{}", from, name,
                            did_you_mean(name, spec.classes)),
                spec.classes_mark)
        .help(fmt::format("the classes are: {}", fmt::join(spec.classes, ", ")));
  }
}

}  // namespace

ImageNames find_images(const FillSpec& fill, const std::string& folder) {
  ImageNames files{.from = (fs::path(folder) / fill.path).string()};
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
    throw Error(Fault::data, "E0343", fmt::format("'{}' has no images", files.from), fill.path_mark)
        .help(fill.listed            ? "one path per line"
              : fill.pattern.empty() ? "files that end in .png"
                                     : fmt::format("files named like {}", fill.pattern));
  }
  return files;
}

ClassFiles find_classes(const SourceSpec& spec, const std::string& folder) {
  const fs::path from = fs::path(folder) / spec.path;
  std::vector<std::string> names = folders_in(from.string(), spec.path_mark);
  if (names.empty()) {
    throw Error(Fault::data, "E0343", fmt::format("'{}' has no folders", from.string()),
                spec.path_mark)
        .help("a folder for each class: train/cat/1.png, train/dog/1.png");
  }
  const bool declared = !spec.classes.empty();
  if (declared) check_classes(spec, from.string(), names);
  ClassFiles files;
  for (const std::string& name : declared ? spec.classes : names) {
    // A test may lack a class that is declared.
    if (declared && std::find(names.begin(), names.end(), name) == names.end()) continue;
    const std::string path = (from / name).string();
    std::vector<std::string> images = images_below(path, spec.path_mark);
    if (images.empty()) {
      throw Error(Fault::data, "E0343", fmt::format("'{}' has no images", path), spec.path_mark)
          .help("files that end in .png");
    }
    const auto& all = declared ? spec.classes : names;
    const int64_t label = std::find(all.begin(), all.end(), name) - all.begin();
    files.labels.insert(files.labels.end(), images.size(), label);
    files.paths.insert(files.paths.end(), images.begin(), images.end());
  }
  return files;
}

}  // namespace braid
