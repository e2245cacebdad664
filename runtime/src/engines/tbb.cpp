// The plainest parts of the flow graph: one continue_node per strand, and behind it an async_node
// where the strand ends outside. Bodies never throw and never block; a collective is a join in the
// graph.
#include <oneapi/tbb/flow_graph.h>
#include <oneapi/tbb/task_arena.h>

#include <deque>

#include "engines/engine.h"

namespace braid {
namespace {

namespace flow = oneapi::tbb::flow;
using Node = flow::continue_node<flow::continue_msg>;
using Async = flow::async_node<flow::continue_msg, flow::continue_msg>;

class TbbEngine : public Engine {
 public:
  TbbEngine(const Plan& plan, RunStrand run, int threads, External external)
      : arena_(threads > 0 ? threads : oneapi::tbb::task_arena::automatic),
        run_(std::move(run)),
        external_(std::move(external)) {
    arena_.execute([&] {
      graph_ = std::make_unique<flow::graph>();
      for (size_t s = 0; s < plan.strands.size(); ++s) {
        nodes_.emplace_back(*graph_, [this, s](const flow::continue_msg&) {
          if (!external_.has(int(s))) run_(int(s), worker());
          return flow::continue_msg{};
        });
        sources_.push_back(&nodes_.back());
        if (external_.has(int(s))) sources_.back() = end_elsewhere(int(s));
        for (int q : plan.strands[s].preds) flow::make_edge(*sources_[size_t(q)], nodes_[s]);
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
  static int worker() { return oneapi::tbb::this_task_arena::current_thread_index(); }

  // The graph waits for what it has reserved; whoever has the strand must end it, in time.
  flow::sender<flow::continue_msg>* end_elsewhere(int s) {
    asyncs_.emplace_back(*graph_, flow::unlimited,
                         [this, s](const flow::continue_msg&, Async::gateway_type& gateway) {
                           gateway.reserve_wait();
                           external_.start(s, worker(), [&gateway] {
                             gateway.try_put(flow::continue_msg{});
                             gateway.release_wait();
                           });
                         });
    flow::make_edge(nodes_.back(), asyncs_.back());
    return &asyncs_.back();
  }

  oneapi::tbb::task_arena arena_;
  RunStrand run_;
  External external_;
  std::unique_ptr<flow::graph> graph_;
  std::deque<Node> nodes_;
  std::deque<Async> asyncs_;
  std::vector<flow::sender<flow::continue_msg>*> sources_;  // of a strand's end
  std::vector<Node*> roots_;
};

}  // namespace

std::unique_ptr<Engine> make_tbb_engine(const Plan& plan, RunStrand run, int threads,
                                        External external) {
  return std::make_unique<TbbEngine>(plan, std::move(run), threads, std::move(external));
}

}  // namespace braid
