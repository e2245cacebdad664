// What a thread that nobody waits for may still touch.
#pragma once
#include <memory>

namespace braid {

/// Keeps it until the process ends.
void keep_until_exit(std::shared_ptr<void> what);

}  // namespace braid
