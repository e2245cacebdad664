#include "items.h"

namespace braid {

const LayerDef& definition(const LayerItem& item, const Registry& registry) {
  if (auto* def = registry.layer(item.type)) return *def;
  throw Error(Fault::model, "E0103",
              "unknown layer type '" + item.type + "'" +
                  did_you_mean(item.type, registry.layers(Role::layer)),
              item.type_mark ? item.type_mark : item.mark);
}

const LayerItem& owner(const Model& model, const LayerItem& item) {
  const LayerItem* at = &item;
  while (at->share >= 0) at = &model.layers.at(size_t(at->share));
  return *at;
}

}  // namespace braid
