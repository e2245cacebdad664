// A folder for one test, gone at its end, and what tests of files say often.
#pragma once
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

#include <gtest/gtest.h>
#include <stdlib.h>

#include <braid/core/error.h>

namespace braid::test {

class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "braid-test-XXXXXX").string();
    if (!::mkdtemp(name.data())) throw std::runtime_error("mkdtemp failed");
    path_ = name;
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

  std::string write(std::string_view name, std::string_view bytes) const {
    std::ofstream(*this / name, std::ios::binary) << bytes;
    return *this / name;
  }

 private:
  std::string path_;
};

inline std::string slurp(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

/// "E0311: message" of what `f` throws, with the folder's path written as `~`; "" when it does not.
template <class F>
std::string error_of(const TempFolder& folder, F&& f) {
  try {
    f();
  } catch (const Error& error) {
    const Diagnostic& first = error.diagnostics().front();
    std::string text = first.code + ": " + first.message;
    for (size_t at; (at = text.find(folder.path())) != std::string::npos;) {
      text.replace(at, folder.path().size(), "~");
    }
    return text;
  }
  return "";
}

template <class F>
Fault fault_of(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.fault();
  }
  ADD_FAILURE() << "nothing was thrown";
  return Fault::bug;
}

}  // namespace braid::test
