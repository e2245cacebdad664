// Memory formats through the graph. Each node's kernel is asked what it wants, given what its
// inputs have; where the two differ a reorder is inserted, once per value and format. State and
// results stay plain. A hook that only reads gets a reorder of its own: one that others share would
// stand in another place than without the hook.
#include <map>

#include "hooks.h"
#include "operands.h"
#include "passes.h"

namespace braid {
namespace {

class Formats {
 public:
  Formats(Graph& graph, const Registry& registry, const CompileOptions& options, int64_t slice)
      : graph_(graph), registry_(registry), options_(options), slice_(slice) {}

  void run() {
    auto old = std::move(graph_.nodes);
    graph_.nodes.clear();
    graph_.nodes.reserve(old.size() * 2);
    for (auto& node : old) {
      if (node.op == &sync_op()) {
        for (size_t i = 0; i < node.in.size(); ++i)
          value(node.out[i]).format = value(node.in[i]).format;
      } else if (node.op->effect) {  // hooks see plain tensors
        for (int& v : node.in) v = observes(node) ? shown(v) : in_format(v, {});
      } else {
        choose(node);
      }
      emit(std::move(node));
    }
    for (auto& result : graph_.results) result.value = in_format(result.value, {});
  }

 private:
  Value& value(int v) { return graph_.values[size_t(v)]; }

  void choose(Node& node) {
    Signature question{.op = node.op->name, .attrs = node.attrs};
    for (int v : node.in) question.in.push_back(operand_of(value(v), slice_));
    for (int v : node.out)
      question.out.push_back({value(v).type.dtype, value(v).type.dims(slice_)});
    auto offer = registry_.offer(question, options_.traits);
    if (!offer) missing(node);
    for (size_t i = 0; i < node.in.size(); ++i)
      node.in[i] = in_format(node.in[i], offer->in_formats[i]);
    for (size_t i = 0; i < node.out.size(); ++i) value(node.out[i]).format = offer->out_formats[i];
  }

  [[noreturn]] void missing(const Node& node) {
    Mark mark;
    if (node.call >= 0) mark = graph_.calls[size_t(node.call)].mark;
    std::string shapes;
    for (int v : node.in) shapes += (shapes.empty() ? "" : ", ") + to_string(value(v).type);
    throw Error(Fault::model, "E0220",
                "layer '" + node.label + "': this build has no kernel for the operation '" +
                    node.op->name + "' on " + options_.traits.kind + " with " + shapes,
                mark);
  }

  int in_format(int v, const Format& format) {
    if (value(v).format == format) return v;
    auto [entry, fresh] = reordered_.try_emplace({v, format}, -1);
    if (fresh) entry->second = reorder(v, format);
    return entry->second;
  }

  // The same for hooks that only read.
  int shown(int v) {
    if (value(v).format.empty()) return v;
    if (auto found = reordered_.find({v, {}}); found != reordered_.end()) return found->second;
    auto [entry, fresh] = shown_.try_emplace(v, -1);
    if (fresh) entry->second = reorder(v, {});
    return entry->second;
  }

  int reorder(int v, const Format& format) {
    Value copy = value(v);
    copy.format = format;
    copy.state = copy.input = -1;
    Node node{
        .op = registry_.op("reorder"), .in = {v}, .wants = {copy.layout}, .micro = copy.micro};
    if (!node.op) bug("no operation 'reorder' is registered");
    if (int made = value(v).node; made >= 0) {
      auto& producer = graph_.nodes[size_t(made)];
      node.call = producer.call;
      node.label = producer.label;
      node.backward = producer.backward;
    } else {
      node.label = copy_name(v);
    }
    const int made_here = int(graph_.values.size());
    node.out = {made_here};
    graph_.values.push_back(std::move(copy));
    emit(std::move(node));
    return made_here;
  }

  std::string copy_name(int v) {
    if (value(v).state >= 0) return graph_.states[size_t(value(v).state)].key;
    return graph_.inputs[size_t(value(v).input)].name;
  }

  void emit(Node node) {
    for (int v : node.out) value(v).node = int(graph_.nodes.size());
    graph_.nodes.push_back(std::move(node));
  }

  Graph& graph_;
  const Registry& registry_;
  const CompileOptions& options_;
  int64_t slice_;
  std::map<std::pair<int, Format>, int> reordered_;
  std::map<int, int> shown_;  // value -> its plain copy for hooks that only read
};

}  // namespace

void choose_formats(Graph& graph, const Registry& registry, const CompileOptions& options,
                    int64_t slice) {
  Formats(graph, registry, options, slice).run();
}

}  // namespace braid
