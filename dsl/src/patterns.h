// `freeze`, `sync` and `init` at the top of a file: patterns over the paths of layers and the keys
// of weights. Later lines win; a layer that says something itself wins over all. What is said of
// whole layers is written into them; parameters are known to the compiler alone.
#pragma once
#include <string>
#include <vector>

#include <braid/core/model.h>

#include "keys.h"
#include "names.h"

namespace braid::dsl {

class Patterns {
 public:
  Patterns(const Env& env, Keys& keys, Model& model);

  /// What the lines say of the layer at `path`, where `own` says nothing. `freeze_from` as in
  /// LayerItem.
  void complete(const std::string& path, Inherited& own, int& freeze_from);
  /// Reports lines of `sync` that match no layer.
  void finish(const Env& env, Model& model) const;

 private:
  struct SyncRule {
    std::string match;
    int group;
    Place place;
    bool matched = false;
  };

  void read_freezes(const Env& env, const Node& node);
  void read_syncs(const Env& env, const Node& node, int64_t replicas);

  std::vector<FreezeRule> freeze_;
  std::vector<SyncRule> sync_;
};

}  // namespace braid::dsl
