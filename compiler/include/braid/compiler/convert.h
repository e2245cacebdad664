// Conversions of a whole network, as PyTorch's convert_sync_batchnorm: a Model is changed before it
// is compiled, and a report says what became of each batch norm. Variables keep their keys, so
// weights, running statistics, counters and optimizer state go on as they were.
//
//   ConversionReport report = convert_sync_batchnorm(model, registry);   // sync: all, everywhere
//   std::cout << to_string(report);
//   revert(model, report);                                               // exactly as before
//
// What a batch norm is, the registry says (LayerDef::batch_norm). Uses of a shared layer are
// converted each for itself. All functions throw Error(model) for a layer type that the registry
// lacks; the model is then as it was.
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <braid/core/registry.h>

namespace braid {

/// The settings that conversions change; the fields of LayerItem.
struct BatchNormSettings {
  std::optional<int> sync = {};
  Freeze freeze = Freeze::none;
  bool operator==(const BatchNormSettings&) const = default;
};

/// What became of one batch norm.
struct Conversion {
  int layer = -1;  ///< index into Model::layers
  std::string path, type;
  Mark mark = {};
  BatchNormSettings before = {}, after = {};
  std::string note = {};  ///< why it was left alone, or what else there is to know
  bool changed() const { return before != after; }
};

struct ConversionReport {
  std::vector<Conversion> layers = {};  ///< every batch norm, in file order
  size_t changed() const;
};

/// An aligned table, one batch norm a line, and how many were changed.
std::string to_string(const ConversionReport& report);

/// Every batch norm synchronizes over all replicas, or over groups of `group` replicas. Frozen ones
/// are converted, too: it tells once they are thawed. Throws Error(usage, "E0291") for a negative
/// group, Error(model, "E0210") for one that does not divide the replicas.
ConversionReport convert_sync_batchnorm(Model& model, const Registry& registry, int group = 0);
/// Its inverse: every batch norm normalizes by the statistics of its own replica (`sync: none`).
/// Running statistics are merged over all replicas all the same.
ConversionReport revert_sync_batchnorm(Model& model, const Registry& registry);

/// Every batch norm normalizes by its running statistics and leaves them as they are (`freeze:
/// stats`; where `params` are frozen, `freeze: true`). Those that track none are left alone.
ConversionReport freeze_batchnorm(Model& model, const Registry& registry);
/// Its inverse: statistics move again; frozen parameters stay frozen.
ConversionReport thaw_batchnorm(Model& model, const Registry& registry);

/// Undoes a conversion: what a layer said before, it says again. Of several, the last is undone
/// first. Throws Error(usage, "E0292") for a report of another model, or one whose layers were
/// changed since; the model is then as it was.
void revert(Model& model, const ConversionReport& report);

}  // namespace braid
