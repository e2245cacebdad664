// Keys of a file of weights as the network calls them: `weights: {rename: {"module.": ""}}`.
#pragma once
#include <map>
#include <string>
#include <vector>

#include <braid/core/model.h>
#include <braid/runtime/array.h>

namespace braid {

struct Renamed {
  std::map<std::string, Array> tensors;
  std::vector<std::string> unused;  ///< what there is to say of rules that fit no key
};

/// Throws Error(data, "E0315") where two keys become one.
Renamed rename_keys(std::map<std::string, Array> tensors, const WeightsDecl& rules,
                    const std::string& from);

}  // namespace braid
