// The plainest parts of the flow graph: one continue_node per strand. Bodies never throw and never
// block; a collective is a join in the graph.
#include <oneapi/tbb/flow_graph.h>
#include <oneapi/tbb/task_arena.h>

#include <deque>

#include "engines/engine.h"

namespace braid {
namespace {

namespace flow = oneapi::tbb::flow;
using Node = flow::continue_node<flow::continue_msg>;

class TbbEngine : public Engine {
 public:
  TbbEngine(const Plan& plan, RunStrand run, int threads)
      : arena_(threads > 0 ? threads : oneapi::tbb::task_arena::automatic), run_(std::move(run)) {
    arena_.execute([&] {
      graph_ = std::make_unique<flow::graph>();
      for (size_t s = 0; s < plan.strands.size(); ++s) {
        nodes_.emplace_back(*graph_, [this, s](const flow::continue_msg&) {
          run_(int(s), oneapi::tbb::this_task_arena::current_thread_index());
          return flow::continue_msg{};
        });
        for (int q : plan.strands[s].preds) flow::make_edge(nodes_[size_t(q)], nodes_[s]);
        if (plan.strands[s].preds.empty()) roots_.push_back(&nodes_.back());
      }
    });
  }

  ~TbbEngine() override {
    arena_.execute([&] { graph_->wait_for_all(); });
  }

  int workers() const override { return arena_.max_concurrency(); }

  // Isolated: a thread of the host that waits here must not pick up the host's own tasks.
  void run() override {
    arena_.execute([&] {
      oneapi::tbb::this_task_arena::isolate([&] {
        for (Node* root : roots_) root->try_put({});
        graph_->wait_for_all();
      });
    });
  }

 private:
  oneapi::tbb::task_arena arena_;
  RunStrand run_;
  std::unique_ptr<flow::graph> graph_;
  std::deque<Node> nodes_;
  std::vector<Node*> roots_;
};

}  // namespace

std::unique_ptr<Engine> make_tbb_engine(const Plan& plan, RunStrand run, int threads) {
  return std::make_unique<TbbEngine>(plan, std::move(run), threads);
}

}  // namespace braid
