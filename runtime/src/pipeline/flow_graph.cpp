#include "pipeline/flow_graph.h"

#include <utility>

#include "engines/task_arena.h"

namespace braid {

namespace flow = oneapi::tbb::flow;

FlowGraph::FlowGraph(std::shared_ptr<TaskArena> arena) : arena_(std::move(arena)) {
  arena_->impl().arena.execute([&] { graph_ = std::make_unique<flow::graph>(context_); });
}

FlowGraph::~FlowGraph() noexcept {
  arena_->impl().arena.execute([&] { graph_->wait_for_all(); });
}

void FlowGraph::prepare(size_t nodes, std::function<void(Work)> carry) {
  carry_ = std::move(carry);
  while (nodes_.size() < nodes)
    nodes_.emplace_back(*graph_, flow::unlimited, [this](const Work& work) {
      carry_(work);
      return flow::continue_msg{};
    });
}

void FlowGraph::put(size_t node, Work work) { nodes_[node].try_put(work); }

void FlowGraph::enqueue(std::function<void()> work) {
  arena_->impl().arena.enqueue(std::move(work));
}

// Not the graph's own wait_for_all: it enters the arena anew, where isolation does not hold, and a
// host's task that holds a lock could find itself in another one that wants it.
//
// All within one isolation: another one would not see the tasks that this one has left.
void FlowGraph::help(const std::function<void()>& begin, const std::function<bool()>& more) {
  auto wait = [&] {
    begin();
    do waiters_.wait();
    while (more());
  };
  arena_->impl().arena.execute([&] {
    if (isolated())
      oneapi::tbb::this_task_arena::isolate(wait);
    else
      wait();
  });
}

void FlowGraph::expect() {
  pending_ = waiters_.defer([] {});
}

void FlowGraph::done() { oneapi::tbb::task_handle gone = std::move(pending_); }

bool FlowGraph::isolated() const { return arena_->impl().of_host; }

int FlowGraph::slot() { return oneapi::tbb::this_task_arena::current_thread_index(); }

int FlowGraph::slots() const { return arena_->impl().arena.max_concurrency(); }

}  // namespace braid
