#include "kept.h"

#include <mutex>
#include <utility>
#include <vector>

namespace braid {

// Never destroyed: at the end of the process the threads still run.
void keep_until_exit(std::shared_ptr<void> what) {
  static auto& mutex = *new std::mutex;
  static auto& kept = *new std::vector<std::shared_ptr<void>>;
  std::lock_guard lock(mutex);
  kept.push_back(std::move(what));
}

}  // namespace braid
