// Which files a source of images has: those of a folder, of a list, of a folder for each class.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "data/spec.h"

namespace braid {

/// Where the files of one input are, by their names without folder and ending, or by what a
/// pattern's `*` stands for.
struct ImageNames {
  std::string from = {};                                        ///< the folder or list
  std::vector<std::pair<std::string, std::string>> named = {};  ///< stem, path
  std::map<std::string, std::string> by_stem = {};
};

/// Throws Error(Fault::data): E0301 for a folder that cannot be read, E0343 when there are none,
/// E0362 for two of a name, beside those of reading a list.
ImageNames find_images(const FillSpec& fill, const std::string& folder);

struct ClassFiles {
  std::vector<std::string> paths = {};
  std::vector<int64_t> labels = {};  ///< of the classes, sorted by name or as they were declared
};

/// The images in and below each folder of `spec.path`, class by class, sorted. Throws
/// Error(Fault::data): E0301, E0343 for a class without images, E0366 for folders that are not
/// the declared classes.
ClassFiles find_classes(const SourceSpec& spec, const std::string& folder);

}  // namespace braid
