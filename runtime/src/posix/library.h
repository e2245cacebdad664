#pragma once
#include <string>
#include <utility>
#include <vector>

namespace braid {

/// A symbol of the first of these shared libraries that can be loaded; they stay loaded. Null, and
/// in `why` a line for each that was tried, when there is none.
void* find_symbol(const std::vector<std::string>& libraries, const char* symbol,
                  std::vector<std::string>& why);

/// A shared library, closed again unless it is kept. Its symbols are seen by nobody else.
class Library {
 public:
  /// `path` has a '/'. False, and `why`, when it cannot be loaded.
  Library(const std::string& path, std::string& why);
  Library(Library&& other) noexcept
      : handle_(std::exchange(other.handle_, nullptr)), kept_(other.kept_) {}
  ~Library();
  explicit operator bool() const { return handle_; }
  void* symbol(const char* name) const;
  /// Until the process ends.
  void keep();

 private:
  void* handle_;
  bool kept_ = false;
};

/// The folder of the file that this code was loaded from: the program, or a library.
std::string own_folder();

}  // namespace braid
