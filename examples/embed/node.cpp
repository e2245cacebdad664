// A network as a node of the program's own flow graph, with batching: pictures that come in
// together are one pass, and every picture gets the bits that it would have got alone.
//
//   camera --> NetworkNode --> sink
//                  |
//              Batcher: up to 8 pictures, or what there is after 2 ms
#include <braid/runtime/session.h>
#include <braid/tbb/node.h>

#include <cstdio>

using braid::Array, braid::DType;
namespace flow = oneapi::tbb::flow;

struct Picture {
  int id = 0;
  Array pixels;
};
using Net = braid::NetworkNode<Picture>;

int main(int argc, char** argv) try {
  auto session = braid::Session::open(argc > 1 ? argv[1] : "examples/digits/digits.yaml");
  flow::graph graph;
  flow::function_node<int, Picture> camera(graph, flow::unlimited, [](int id) {
    return Picture{id, Array::of<float>({1, 64}, std::vector<float>(64, float(id) / 100))};
  });
  Net net(graph, session, {.most = 8, .wait = std::chrono::milliseconds(2)}, [](const Picture& p) {
    return std::map<std::string, Array>{{"image", p.pixels}};
  });
  int answers = 0, wrong = 0;
  flow::function_node<Net::Output> sink(graph, 1, [&](const Net::Output& out) {
    ++answers;
    if (out.answer.error ||
        out.answer.outputs != session.run({{"image", out.message.pixels}}, {"logits"}))
      ++wrong;
    return flow::continue_msg{};
  });
  flow::make_edge(camera, net.in());
  flow::make_edge(net.out(), sink);
  for (int id = 0; id < 100; ++id) camera.try_put(id);
  graph.wait_for_all();
  std::printf("%d answers, %d of them others than alone\n", answers, wrong);
  return answers == 100 && wrong == 0 ? 0 : 1;
} catch (const braid::Error& error) {
  std::fputs(error.what(), stderr);
  return int(error.fault());
}
