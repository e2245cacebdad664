#include <braid/compiler/fold.h>

#include <algorithm>
#include <utility>

#include <braid/compiler/compile.h>

#include "columns.h"
#include "items.h"

namespace braid {
namespace {

class Folder {
 public:
  Folder(Model& model, const Registry& registry, const std::vector<std::string>& keep)
      : model_(model), registry_(registry), keep_(keep.begin(), keep.end()) {
    Diagnostics found;
    for (auto& layer : check(model, registry, found).layers)
      ranks_[layer.name] = layer.shape.size();
    found.raise();
    readers_.resize(model.layers.size());
    shared_.resize(model.layers.size(), -1);
    gone_.resize(model.layers.size(), false);
    for (size_t i = 0; i < model.layers.size(); ++i) {
      auto& item = model.layers[i];
      if (item.share >= 0) shared_[size_t(item.share)] = int(i);
      read("layer", item.path, item.from);
    }
    for (auto& term : model.losses) read("loss", term.name, term.from);
    for (auto& term : model.metrics) read("metric", term.name, term.from);
    for (auto& out : model.outputs) read("output", out.name, out.from);
  }

  FoldReport run() {
    for (size_t i = 0; i < model_.layers.size(); ++i) {
      auto& norm = model_.layers[i];
      if (!definition(norm, registry_).batch_norm) continue;
      std::string why = obstacle(int(i));
      if (why.empty())
        fold(int(i));
      else
        report_.left.push_back({norm.path, norm.type, norm.mark, why});
    }
    if (!report_.folds.empty()) {
      remove();
      model_.eval_only = "batch norms are folded into the layers before them ('" +
                         report_.folds[0].norm + "' into '" + report_.folds[0].layer +
                         (report_.folds.size() > 1 ? "' and others)" : "')");
    }
    return std::move(report_);
  }

 private:
  struct Reader {
    std::string who;  ///< "layer 'relu1'"
    Link* link;
  };

  void read(const char* what, const std::string& name, Link& link) {
    if (link.kind == Link::Kind::layer)
      readers_[size_t(link.index)].push_back({std::string(what) + " '" + name + "'", &link});
  }
  void read(const char* what, const std::string& name, std::vector<Link>& from) {
    for (auto& link : from) read(what, name, link);
  }

  Dict params_of(const LayerItem& item) const {
    Diagnostics ignored;  // check() has reported what is wrong
    return check_params(definition(item, registry_).params, item.params, "", {}, ignored);
  }

  // What forbids any change of a layer, "" = nothing.
  std::string bound(int index) const {
    auto& item = model_.layers[size_t(index)];
    if (keep_.contains(item.path)) return "is named by an output or a hook";
    if (item.share >= 0)
      return "has the parameters of '" + model_.layers[size_t(item.share)].path + "'";
    if (shared_[size_t(index)] >= 0)
      return "shares its parameters with '" + model_.layers[size_t(shared_[size_t(index)])].path +
             "'";
    if (!item.when.empty()) return "is there only in " + item.when + " (`when`)";
    return {};
  }

  // Why the batch norm stays, "" = it can be folded.
  std::string obstacle(int index) const {
    auto& norm = model_.layers[size_t(index)];
    if (auto why = bound(index); !why.empty()) return "it " + why;
    if (norm.from.size() != 1) return "it has further inputs";
    if (norm.expect) return "it has an `expect`";
    if (!norm.on_replicate.empty()) return "it has a hook (`on_replicate`)";
    if (!get_bool(params_of(norm), "track_running_stats", true))
      return "track_running_stats is false: in eval it uses the batch's own statistics";
    auto& link = norm.from[0];
    if (link.kind == Link::Kind::input)
      return "it reads the input '" + model_.inputs[size_t(link.index)].name + "'";
    return obstacle_before(norm, link.index);
  }

  std::string obstacle_before(const LayerItem& norm, int index) const {
    auto& layer = model_.layers[size_t(index)];
    auto& def = definition(layer, registry_);
    std::string who = "'" + layer.path + "' (" + layer.type + ") before it ";
    if (!def.channels) return who + "has no weight that could take it up";
    if (auto why = bound(index); !why.empty()) return who + why;
    auto rank = int(ranks_.at(layer.path)), axis = def.channels->output;
    if (axis < 0) axis += rank;
    if (axis != 1)
      return who + "has its features in dimension " + std::to_string(axis) +
             ", the batch norm's channels are dimension 1";
    for (auto& reader : readers_[size_t(index)])
      if (reader.link != &norm.from[0]) return who + "is read by " + reader.who + ", too";
    return {};
  }

  void fold(int index) {
    auto& norm = model_.layers[size_t(index)];
    int before = norm.from[0].index;
    auto& layer = model_.layers[size_t(before)];
    Dict layer_params = params_of(layer), norm_params = params_of(norm);
    report_.folds.push_back({.layer = layer.path,
                             .norm = norm.path,
                             .layer_type = layer.type,
                             .norm_type = norm.type,
                             .mark = norm.mark,
                             .weight_axis = definition(layer, registry_).channels->weight,
                             .groups = get_int(layer_params, "groups", 1),
                             .had_bias = get_bool(layer_params, "bias", true),
                             .affine = get_bool(norm_params, "affine", true),
                             .eps = get_double(norm_params, "eps", 1e-5),
                             .clamp = get_text(norm_params, "eps_mode", "plus") == "clamp"});
    set(layer.params, "bias", true);
    readers_[size_t(before)] = std::exchange(readers_[size_t(index)], {});
    for (auto& reader : readers_[size_t(before)]) {
      reader.link->index = before;
      reader.link->port = {};
    }
    gone_[size_t(index)] = true;
  }

  // Takes the folded batch norms out of the list; those behind them move up.
  void remove() {
    std::vector<int> now(model_.layers.size(), -1), before = {0};  // how many are kept before each
    for (size_t i = 0; i < now.size(); ++i) {
      if (!gone_[i]) now[i] = before[i];
      before.push_back(before[i] + !gone_[i]);
    }
    for (auto& container : model_.containers) {
      container.first = before[size_t(container.first)];
      container.last = before[size_t(container.last)];
    }
    for (auto& readers : readers_)
      for (auto& reader : readers) reader.link->index = now[size_t(reader.link->index)];
    std::vector<LayerItem> kept;
    for (size_t i = 0; i < now.size(); ++i) {
      if (gone_[i]) continue;
      if (auto& share = model_.layers[i].share; share >= 0) share = now[size_t(share)];
      kept.push_back(std::move(model_.layers[i]));
    }
    model_.layers = std::move(kept);
  }

  Model& model_;
  const Registry& registry_;
  std::set<std::string> keep_;
  std::map<std::string, size_t> ranks_;
  std::vector<std::vector<Reader>> readers_;  // of each layer
  std::vector<int> shared_;                   // a layer that has this one's parameters; -1 = none
  std::vector<bool> gone_;
  FoldReport report_;
};

}  // namespace

FoldReport fold_batch_norms(Model& model, const Registry& registry,
                            const std::vector<std::string>& keep) {
  return Folder(model, registry, keep).run();
}

std::string to_string(const FoldReport& report) {
  std::vector<std::vector<std::string>> rows = {{"batch norm", "type", "at", "folded into"}};
  for (auto& f : report.folds)
    rows.push_back({f.norm, f.norm_type, to_string(f.mark), f.layer + " (" + f.layer_type + ")"});
  for (auto& l : report.left)
    rows.push_back({l.norm, l.type, to_string(l.mark), "nothing: " + l.why});
  return columns(rows) + std::to_string(report.folds.size()) + " of " +
         std::to_string(report.folds.size() + report.left.size()) + " batch norms folded\n";
}

}  // namespace braid
