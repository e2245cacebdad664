// A kernel for each logical node and slice size. Equal questions share one entry of Plan::kernels.
#include <map>

#include "operands.h"
#include "passes.h"

namespace braid {
namespace {

std::string key_of(const Signature& s) {
  std::string key = s.op;
  for (auto& e : s.attrs) key += '|' + e.key + '=' + to_string(e.value);
  for (auto* operands : {&s.in, &s.out}) {
    key += '>';
    for (auto& o : *operands) {
      key += to_string(o.dtype);
      for (auto d : o.dims) key += ',' + std::to_string(d);
      key += o.format + ';';
    }
  }
  return key;
}

class Chooser {
 public:
  Chooser(const Graph& graph, const Registry& registry, const DeviceTraits& traits, Plan& plan)
      : g_(graph), registry_(registry), traits_(traits), plan_(plan) {}

  int choose(const ExpandedNode& node) {
    if (node.sum) return sum(node);
    auto [entry, fresh] = by_node_.try_emplace({node.logical, node.n}, -1);
    if (fresh) entry->second = use(question(g_.nodes[size_t(node.logical)], node));
    return entry->second;
  }

 private:
  // No kernel of ours: the entry says what is summed.
  int sum(const ExpandedNode& node) {
    Signature s{.op = "all_reduce"};
    for (int v : g_.nodes[size_t(node.logical)].out)
      s.out.push_back(operand_of(g_.values[size_t(v)], 0));
    s.in = s.out;
    auto [entry, fresh] = by_key_.try_emplace(key_of(s), int(plan_.kernels.size()));
    if (fresh)
      plan_.kernels.push_back(
          {std::move(s), "sum over " + std::to_string(plan_.summed_over) + " devices"});
    return entry->second;
  }

  Signature question(const Node& node, const ExpandedNode& expanded) const {
    Signature s{.op = node.op->name, .attrs = node.attrs};
    if (expanded.merge()) {
      s.op = "merge_" + g_.values[size_t(node.in[0])].layout.merge;
      for (int v : node.out) s.out.push_back(operand_of(g_.values[size_t(v)], 0));
      s.in = s.out;
      s.in.insert(s.in.end(), s.out.begin(), s.out.end());
      return s;
    }
    for (int v : node.in) s.in.push_back(operand_of(g_.values[size_t(v)], expanded.n));
    for (int v : node.out) s.out.push_back(operand_of(g_.values[size_t(v)], expanded.n));
    return s;
  }

  int use(Signature s) {
    auto [entry, fresh] = by_key_.try_emplace(key_of(s), int(plan_.kernels.size()));
    if (!fresh) return entry->second;
    auto offer = registry_.offer(s, traits_);
    if (!offer) bug("no kernel for '" + s.op + "' in the formats that were chosen for it");
    for (size_t i = 0; i < s.in.size(); ++i)
      if (offer->in_formats[i] != s.in[i].format)
        bug("kernel '" + offer->impl + "' of '" + s.op + "' wants the format '" +
            offer->in_formats[i] + "' for one slice size and '" + s.in[i].format + "' for another");
    for (size_t i = 0; i < s.out.size(); ++i)
      if (offer->out_formats[i] != s.out[i].format)
        bug("kernel '" + offer->impl + "' of '" + s.op + "' yields the format '" +
            offer->out_formats[i] + "' for one slice size and '" + s.out[i].format +
            "' for another");
    plan_.workspace = std::max(plan_.workspace, offer->workspace);
    plan_.kernels.push_back(
        {std::move(s), offer->impl, offer->workspace, offer->alias, offer->gang});
    return entry->second;
  }

  const Graph& g_;
  const Registry& registry_;
  const DeviceTraits& traits_;
  Plan& plan_;
  std::map<std::pair<int, int64_t>, int> by_node_;
  std::map<std::string, int> by_key_;
};

}  // namespace

void choose_kernels(const Graph& graph, Expanded& expanded, const Registry& registry,
                    const DeviceTraits& traits, Plan& plan) {
  Chooser chooser(graph, registry, traits, plan);
  for (auto& node : expanded.nodes)
    if (!graph.nodes[size_t(node.logical)].op->effect) node.kernel = chooser.choose(node);
}

}  // namespace braid
