// One item of a layer list as it was typed: the keys that every item has, and the rest.
#pragma once
#include <string>
#include <vector>

#include "values.h"

namespace braid::dsl {

/// The keys that may stand beside a layer's own parameters.
const std::vector<std::string>& common_keys();

struct Item {
  enum class Kind { none, type, use, layers, share };
  Kind kind = Kind::none;
  const Node* node = nullptr;  ///< the whole item
  const Node* what = nullptr;  ///< the value of `type`, `use`, `layers` or `share`
  const Node *name = nullptr, *from = nullptr, *repeat = nullptr, *loop = nullptr,
             *condition = nullptr, *when = nullptr, *sync = nullptr, *expect = nullptr,
             *freeze = nullptr, *recompute = nullptr, *init = nullptr, *constant = nullptr,
             *on_replicate = nullptr, *spectral_norm = nullptr;
  std::vector<const Member*> rest = {};  ///< parameters of the layer, or params of the block

  /// Where messages about the item point: its name, or its type where it has none.
  const Place& place() const { return name ? name->place : what ? what->place : node->place; }
};

/// `- ReLU`: an item that is just a layer's type.
Item bare_word(const Node& node);

/// Reports what cannot be an item; `kind` is none then.
Item read_item(const Env& env, const Node& node);

}  // namespace braid::dsl
