#include <braid/compiler/convert.h>

#include <algorithm>
#include <utility>

#include "columns.h"
#include "items.h"

namespace braid {
namespace {

/// What a conversion wants of one batch norm, and why it leaves one alone.
using Rule = std::pair<BatchNormSettings, std::string>;

BatchNormSettings settings_of(const LayerItem& item) { return {item.sync, item.freeze}; }

void assign(LayerItem& item, const BatchNormSettings& settings) {
  item.sync = settings.sync;
  item.freeze = settings.freeze;
}

bool frozen(Freeze freeze) { return freeze == Freeze::stats || freeze == Freeze::all; }

// Looks at all batch norms before it changes one: an error leaves the model as it was.
template <class F>
ConversionReport convert(Model& model, const Registry& registry, F&& rule) {
  ConversionReport report;
  for (size_t i = 0; i < model.layers.size(); ++i) {
    auto& item = model.layers[i];
    if (!definition(item, registry).batch_norm) continue;
    auto [after, note] = rule(item);
    report.layers.push_back({.layer = int(i),
                             .path = item.path,
                             .type = item.type,
                             .mark = item.mark,
                             .before = settings_of(item),
                             .after = after,
                             .note = note});
  }
  for (auto& layer : report.layers) assign(model.layers[size_t(layer.layer)], layer.after);
  return report;
}

std::string sync_text(std::optional<int> sync) {
  if (!sync) return "sync: all (default)";
  if (*sync == 0) return "sync: all";
  return "sync: " + (*sync == 1 ? std::string("none") : std::to_string(*sync));
}

std::string freeze_text(Freeze freeze) {
  constexpr const char* texts[] = {"not frozen", "freeze: params", "freeze: stats", "freeze: true"};
  return texts[size_t(freeze)];
}

ConversionReport set_sync(Model& model, const Registry& registry, int group) {
  return convert(model, registry, [&](const LayerItem& item) -> Rule {
    auto settings = settings_of(item);
    if (item.sync.value_or(0) == group)
      return {settings, group == 1 ? "it has its replica's statistics already"
                                   : "it synchronizes like this already"};
    settings.sync = group;
    return {settings, frozen(item.freeze) ? "frozen: it tells once it is thawed" : ""};
  });
}

bool tracks_statistics(const Model& model, const LayerItem& item) {
  return get_bool(owner(model, item).params, "track_running_stats", true);
}

}  // namespace

size_t ConversionReport::changed() const {
  return size_t(std::ranges::count_if(layers, [](auto& layer) { return layer.changed(); }));
}

std::string to_string(const ConversionReport& report) {
  std::vector<std::vector<std::string>> rows = {
      {"batch norm", "type", "at", "before", "after", "note"}};
  for (auto& l : report.layers) {
    bool freeze = l.before.freeze != l.after.freeze;
    auto text = [&](const BatchNormSettings& s) {
      return freeze ? freeze_text(s.freeze) : sync_text(s.sync);
    };
    rows.push_back({l.path, l.type, to_string(l.mark), l.changed() ? text(l.before) : "",
                    l.changed() ? text(l.after) : "left alone", l.note});
  }
  return columns(rows) + std::to_string(report.changed()) + " of " +
         std::to_string(report.layers.size()) + " batch norms converted\n";
}

ConversionReport convert_sync_batchnorm(Model& model, const Registry& registry, int group) {
  if (group < 0)
    throw Error(Fault::usage, "E0291",
                "convert_sync_batchnorm: a group of " + std::to_string(group) + " replicas")
        .help("0 = all replicas, 1 = each for itself, or a number that divides them");
  if (group > 0 && group < model.replicas && model.replicas % group)
    throw Error(Fault::model, "E0210",
                "convert_sync_batchnorm: sync group " + std::to_string(group) +
                    " does not divide the " + std::to_string(model.replicas) + " replicas",
                model.replicas_mark);
  return set_sync(model, registry, group);
}

ConversionReport revert_sync_batchnorm(Model& model, const Registry& registry) {
  return set_sync(model, registry, 1);
}

ConversionReport freeze_batchnorm(Model& model, const Registry& registry) {
  return convert(model, registry, [&](const LayerItem& item) -> Rule {
    auto settings = settings_of(item);
    if (frozen(item.freeze)) return {settings, "its statistics are frozen already"};
    if (!tracks_statistics(model, item))
      return {settings, "track_running_stats is false: it has no statistics to freeze"};
    settings.freeze = item.freeze == Freeze::params ? Freeze::all : Freeze::stats;
    return {settings, ""};
  });
}

ConversionReport thaw_batchnorm(Model& model, const Registry& registry) {
  return convert(model, registry, [&](const LayerItem& item) -> Rule {
    auto settings = settings_of(item);
    if (!frozen(item.freeze)) return {settings, "its statistics are not frozen"};
    settings.freeze = item.freeze == Freeze::all ? Freeze::params : Freeze::none;
    return {settings, settings.freeze == Freeze::params ? "weight and bias stay frozen" : ""};
  });
}

void revert(Model& model, const ConversionReport& report) {
  for (auto& l : report.layers) {
    auto index = size_t(l.layer);
    bool there = index < model.layers.size() && model.layers[index].path == l.path &&
                 model.layers[index].type == l.type;
    if (there && settings_of(model.layers[index]) == l.after) continue;
    throw Error(Fault::usage, "E0292",
                "the report does not fit the model: layer '" + l.path + "' " +
                    (there ? "was changed since" : "is not where it was"),
                l.mark)
        .help("undo several conversions in reverse order, each on the model that it was made of");
  }
  for (auto& l : report.layers) assign(model.layers[size_t(l.layer)], l.before);
}

}  // namespace braid
