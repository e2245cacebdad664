// The plainest parts of the flow graph: one continue_node per strand, and another behind it that
// fires when the strand has ended, where that is outside. (An async_node would do, but an edge from
// it is not counted by a continue_node, which then fires too early.) Bodies never throw and never
// block; a collective is a join in the graph.
#include <oneapi/tbb/flow_graph.h>
#include <oneapi/tbb/task_group.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <utility>

#include "engines/engine.h"
#include "engines/task_arena.h"

namespace braid {
namespace {

namespace flow = oneapi::tbb::flow;
using Node = flow::continue_node<flow::continue_msg>;

class TbbEngine : public Engine {
 public:
  TbbEngine(const Plan& plan, RunStrand run, std::shared_ptr<TaskArena> arena, External external)
      : shared_(std::move(arena)),
        arena_(shared_->impl().arena),
        run_(std::move(run)),
        external_(std::move(external)) {
    arena_.execute([&] {
      graph_ = std::make_unique<flow::graph>(context_);
      for (size_t s = 0; s < plan.strands.size(); ++s) {
        nodes_.emplace_back(*graph_, [this, s](const flow::continue_msg&) {
          if (external_.has(int(s)))
            start(int(s));
          else
            run_(int(s), worker());
          ended();
          return flow::continue_msg{};
        });
        sources_.push_back(&nodes_.back());
        if (external_.has(int(s)))
          sources_.back() =
              &ends_.emplace_back(*graph_, 1, [](const flow::continue_msg& m) { return m; });
        const auto before = predecessors(plan.strands[s]);
        for (int q : before) flow::make_edge(*sources_[size_t(q)], nodes_[s]);
        if (before.empty()) roots_.push_back(&nodes_.back());
      }
    });
  }

  ~TbbEngine() noexcept override {
    arena_.execute([&] { graph_->wait_for_all(); });
  }

  // An arena of one slot has two: one is for the caller, and a thread of TBB's may have the other.
  int workers() const override { return std::max(2, arena_.max_concurrency()); }

  // Isolated: a thread of the host that waits here must not pick up the host's own tasks. The
  // graph's wait_for_all enters the arena anew, where isolation does not hold: it serves where
  // strands end outside, whose ends no isolated thread would see.
  void run() override {
    const bool outside = !external_.strands.empty();
    if (!outside) left_ = int(nodes_.size()), pending_ = waiters_.defer([] {});
    arena_.execute([&] {
      oneapi::tbb::this_task_arena::isolate([&] {
        for (Node* root : roots_) root->try_put({});
        outside ? graph_->wait_for_all() : void(waiters_.wait());
      });
    });
  }

 private:
  void ended() {
    if (external_.strands.empty() && --left_ == 0)
      oneapi::tbb::task_handle gone = std::move(pending_);
  }

  static int worker() { return oneapi::tbb::this_task_arena::current_thread_index(); }

  // The graph waits for what it has reserved; whoever has the strand must end it, in time.
  void start(int s) {
    graph_->reserve_wait();
    external_.start(s, worker(), [this, s] {
      sources_[size_t(s)]->try_put(flow::continue_msg{});
      graph_->release_wait();
    });
  }

  std::shared_ptr<TaskArena> shared_;
  oneapi::tbb::task_arena& arena_;
  RunStrand run_;
  External external_;
  // Of its own: else it would belong to the group of the host's task that runs first in it, and end
  // when that group is cancelled.
  oneapi::tbb::task_group_context context_{oneapi::tbb::task_group_context::isolated};
  std::unique_ptr<flow::graph> graph_;
  std::deque<Node> nodes_;
  std::deque<Node> ends_;       // of strands that end outside
  std::vector<Node*> sources_;  // where a strand's end comes from
  std::vector<Node*> roots_;
  std::atomic<int> left_ = 0;  // strands of this run
  oneapi::tbb::task_group_context waiting_{oneapi::tbb::task_group_context::isolated};
  oneapi::tbb::task_group waiters_{waiting_};
  oneapi::tbb::task_handle pending_;  // run() waits until it is gone
};

// Whether every strand waits for the one before it: then there is nothing to schedule.
bool is_chain(const Plan& plan) {
  for (size_t s = 1; s < plan.strands.size(); ++s) {
    const auto before = predecessors(plan.strands[s]);
    if (std::ranges::find(before, int(s) - 1) == before.end()) return false;
  }
  return true;
}

}  // namespace

std::unique_ptr<Engine> make_tbb_engine(const Plan& plan, RunStrand run,
                                        std::shared_ptr<TaskArena> arena, External external) {
  if (external.strands.empty() && is_chain(plan))  // the caller's thread does it: no wait at all
    return make_serial_engine(plan, std::move(run));
  if (!arena) arena = std::make_shared<TaskArena>();
  return std::make_unique<TbbEngine>(plan, std::move(run), std::move(arena), std::move(external));
}

}  // namespace braid
