#include "engines/task_arena.h"

#include <utility>

namespace braid {

TaskArena::TaskArena(int threads)
    : impl_(new Impl{
          oneapi::tbb::task_arena(threads > 0 ? threads : oneapi::tbb::task_arena::automatic)}) {
  impl_->arena.initialize();
}

TaskArena::TaskArena(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

std::shared_ptr<TaskArena> TaskArena::of_caller() {
  auto impl = std::make_unique<Impl>(Impl{oneapi::tbb::task_arena(oneapi::tbb::attach{}), true});
  impl->arena.initialize();
  return std::shared_ptr<TaskArena>(new TaskArena(std::move(impl)));
}

TaskArena::~TaskArena() = default;

int TaskArena::threads() const { return impl_->arena.max_concurrency(); }

}  // namespace braid
