// What stands behind a TaskArena.
#pragma once
#include <oneapi/tbb/task_arena.h>

#include <braid/runtime/task_arena.h>

namespace braid {

struct TaskArena::Impl {
  oneapi::tbb::task_arena arena;
  bool of_host = false;  ///< who waits in it must not pick up other tasks
};

}  // namespace braid
