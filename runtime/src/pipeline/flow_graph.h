// The flow graph of a pipeline: a node for each station, of which every message is a task. Edges
// are not TBB's: theirs know neither bounds nor order, and each hop would be a task, where here a
// thread goes on with its item.
#pragma once
#include <oneapi/tbb/flow_graph.h>
#include <oneapi/tbb/task_group.h>

#include <deque>
#include <functional>
#include <memory>

#include <braid/runtime/task_arena.h>

#include "pipeline/next.h"

namespace braid {

class FlowGraph {
 public:
  explicit FlowGraph(std::shared_ptr<TaskArena> arena);
  ~FlowGraph() noexcept;
  FlowGraph(const FlowGraph&) = delete;
  FlowGraph& operator=(const FlowGraph&) = delete;

  /// As many nodes; what they do with a message.
  void prepare(size_t nodes, std::function<void(Work)> carry);
  /// A task for a node. By any thread.
  void put(size_t node, Work work);
  /// `work` by whichever thread of the arena is free.
  void enqueue(std::function<void()> work);
  /// The next help() waits for done().
  void expect();
  /// Enters the arena, calls `begin` there, and helps until done() was called and `more` is false.
  /// Where isolated() holds it works on nothing else meanwhile.
  void help(const std::function<void()>& begin, const std::function<bool()>& more);
  /// What help() waits for has come about. By any thread, but not by two at a time.
  void done();
  /// Who helps takes tasks of this pipeline alone: the arena is the host's. What is enqueued there
  /// may wait for as long as all its threads help so.
  bool isolated() const;
  int slots() const;
  /// Which thread of the arena this is.
  static int slot();
  const std::shared_ptr<TaskArena>& arena() const { return arena_; }

 private:
  using Node = oneapi::tbb::flow::function_node<Work, oneapi::tbb::flow::continue_msg>;
  std::shared_ptr<TaskArena> arena_;
  std::function<void(Work)> carry_;
  oneapi::tbb::task_group_context context_{oneapi::tbb::task_group_context::isolated};
  std::unique_ptr<oneapi::tbb::flow::graph> graph_;
  std::deque<Node> nodes_;
  oneapi::tbb::task_group_context waiting_{oneapi::tbb::task_group_context::isolated};
  oneapi::tbb::task_group waiters_{waiting_};
  oneapi::tbb::task_handle pending_;
};

}  // namespace braid
