// What a test says, beside a file that holds what it should say. BRAID_UPDATE=1 writes the files
// anew, for a review.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <braid/core/error.h>

namespace braid::test {

inline std::string slurp(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

inline void expect_golden(const std::filesystem::path& path, const std::string& said) {
  if (std::getenv("BRAID_UPDATE")) std::ofstream(path, std::ios::binary) << said;
  EXPECT_EQ(said, slurp(path)) << path;
}

/// The diagnostics as text in `yaml` with .err and as JSON, one object a line, with .json; both
/// without the folder.
inline void expect_golden_diagnostics(std::filesystem::path yaml, const Diagnostics& found) {
  const std::string folder = yaml.parent_path().string() + "/";
  std::string text, json;
  for (auto& d : found.all()) text += render(d), json += to_json(d) + "\n";
  for (auto* said : {&text, &json})
    for (size_t at; (at = said->find(folder)) != std::string::npos;) said->erase(at, folder.size());
  expect_golden(yaml.replace_extension(".err"), text);
  expect_golden(yaml.replace_extension(".json"), json);
}

/// The names of the .yaml files of a folder, sorted.
inline std::vector<std::string> yaml_files(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".yaml") names.push_back(entry.path().stem().string());
  std::ranges::sort(names);
  return names;
}

}  // namespace braid::test
