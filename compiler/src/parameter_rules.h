// What the file says of parameters by pattern: which are frozen, and how they begin.
#pragma once
#include <map>
#include <set>
#include <string>
#include <vector>

#include <braid/core/builder.h>

namespace braid {

class ParameterRules {
 public:
  explicit ParameterRules(const Model& model)
      : model_(model), frozen_(model.freeze.size()), begun_(model.init.size()) {}

  /// Every parameter passes here as it enters the graph.
  void apply(const Call& call, const std::string& name, StateVar& var);
  /// Reports a layer's own laws for parameters that it has not. `built`: by layer, all its
  /// parameters have passed.
  void check_laws(const std::vector<bool>& built, Diagnostics& found) const;
  /// Reports patterns that matched nothing, once every layer has passed.
  void check_patterns(Diagnostics& found) const;

 private:
  void freeze(const LayerItem& item, StateVar& var);
  const Attr* law_for(const Call& call, const std::string& name, const std::string& key);

  const Model& model_;
  std::vector<bool> frozen_, begun_;                    ///< by rule: it matched
  std::map<std::string, std::set<std::string>> names_;  ///< of parameters, by layer
  std::set<std::string> all_names_;
};

}  // namespace braid
