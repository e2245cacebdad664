// A network as a node of the host's own oneTBB flow graph. The only header of Braid that includes
// TBB; who includes it links TBB::tbb.
//
//   flow::graph g;
//   braid::NetworkNode<Frame> net(g, session, {.most = 16},
//       [](const Frame& f) { return std::map<std::string, Array>{{"image", f.pixels}}; });
//   flow::function_node<braid::NetworkNode<Frame>::Output> show(g, 1, [](auto& out) {
//     out.message.id; out.answer.outputs.at("logits"); return flow::continue_msg{}; });
//   flow::make_edge(net.out(), show);
//   net.in().try_put(frame);
//   g.wait_for_all();                       // waits for what the network has, too
//
// Messages that arrive together are one pass (see braid/runtime/batcher.h). No thread of the graph
// waits for a pass: it goes on with other nodes, and the batcher's thread hands the answers back.
#pragma once
#include <oneapi/tbb/flow_graph.h>

#include <functional>
#include <map>
#include <string>
#include <utility>

#include <braid/runtime/batcher.h>

namespace braid {

template <class Message>
class NetworkNode {
 public:
  struct Output {
    Message message;  ///< what came in
    Batcher::Answer answer;
  };
  using Inputs = std::function<std::map<std::string, Array>(const Message&)>;

  /// `session` and `graph` must outlive it, and the graph be idle when it ends; `inputs` makes
  /// arrays of a message. What it throws is the answer's error.
  NetworkNode(oneapi::tbb::flow::graph& graph, Session& session, BatcherOptions options,
              Inputs inputs)
      : inputs_(std::move(inputs)),
        node_(graph, oneapi::tbb::flow::unlimited,
              [this](const Message& message, Gateway& gateway) { take(message, gateway); }),
        batcher_(session, std::move(options)) {}

  oneapi::tbb::flow::receiver<Message>& in() { return node_; }
  oneapi::tbb::flow::sender<Output>& out() { return oneapi::tbb::flow::output_port<0>(node_); }

 private:
  using Node = oneapi::tbb::flow::async_node<Message, Output>;
  using Gateway = typename Node::gateway_type;

  void take(const Message& message, Gateway& gateway) {
    gateway.reserve_wait();  // the graph is not done before the answer is there
    try {
      batcher_.add(inputs_(message), [message, &gateway](Batcher::Answer answer) {
        gateway.try_put({message, std::move(answer)});
        gateway.release_wait();
      });
    } catch (...) {
      gateway.try_put({message, {.outputs = {}, .error = std::current_exception()}});
      gateway.release_wait();
    }
  }

  Inputs inputs_;
  Node node_;
  Batcher batcher_;  // ends first: it answers to the node
};

}  // namespace braid
