#include "posix/library.h"

#include <dlfcn.h>

#include <filesystem>

namespace braid {

void* find_symbol(const std::vector<std::string>& libraries, const char* symbol,
                  std::vector<std::string>& why) {
  for (auto& path : libraries) {
    const bool file = path.find('/') != path.npos;
    if (std::error_code error; file && !std::filesystem::exists(path, error)) {
      why.push_back(path + ": there is no such file");
      continue;
    }
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library) {
      if (void* found = dlsym(library, symbol)) return found;
      why.push_back(path + ": it has no '" + symbol + "'");
      continue;
    }
    const char* error = dlerror();
    why.push_back(error ? error : path);
  }
  return nullptr;
}

Library::Library(const std::string& path, std::string& why)
    : handle_(dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) {
  if (handle_) return;
  const char* error = dlerror();
  why = error ? error : "no reason is given";
}

Library::~Library() {
  if (handle_ && !kept_) dlclose(handle_);
}

void* Library::symbol(const char* name) const { return dlsym(handle_, name); }
void Library::keep() { kept_ = true; }

std::string own_folder() {
  Dl_info info{};
  if (!dladdr(reinterpret_cast<void*>(&own_folder), &info) || !info.dli_fname) return ".";
  std::error_code error;
  auto path = std::filesystem::canonical("/proc/self/exe", error);
  if (std::string(info.dli_fname).find(".so") != std::string::npos || error)
    path = std::filesystem::absolute(info.dli_fname, error);
  return path.parent_path().string();
}

}  // namespace braid
