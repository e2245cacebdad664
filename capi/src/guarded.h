// No exception passes into C: what is thrown becomes a braid_error and a status.
#pragma once
#include <string>
#include <vector>

#include <braid/braid.h>
#include <braid/core/error.h>

struct braid_error {
  struct Item {
    std::string code, message, help, file;
    int line = 0, column = 0;
  };
  std::string text;
  std::vector<Item> items;
};

namespace braid::capi {

/// Reports what is being handled.
int report(braid_error** error) noexcept;

template <class Work>
int guarded(braid_error** error, const Work& work) noexcept {
  if (error) *error = nullptr;
  try {
    work();
    return BRAID_OK;
  } catch (...) {
    return report(error);
  }
}

/// Throws Error(usage, "E0304") for a pointer that must not be null.
void require(const void* pointer, const char* name);

}  // namespace braid::capi
