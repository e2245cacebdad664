// Names of a layer list and what they stand for, so that `from: encoder.down_blocks.3` finds a
// value.
#pragma once
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <braid/core/model.h>

#include "item.h"
#include "values.h"

namespace braid::dsl {

class Names;

/// What a layer inherits from the `use` or `layers` that it stands in.
struct Inherited {
  std::optional<int> sync = {};
  std::optional<Freeze> freeze = {};
  std::string when = {};
  bool recompute = false;
  std::string segment = {};  ///< path of the outermost `use` or `layers` that says recompute
};

/// How an item was written, so that `share` can write it once more.
struct Origin {
  const Node* node;
  Env env;
  Names* names;  ///< those around it
  Inherited inherited;
  bool one_copy;  ///< of a `repeat`
};

struct Target {
  Link link = {};      ///< index -1: not known, because of an error that has been reported
  bool layer = false;  ///< a layer's own ports may follow; the compiler knows which exist
  std::vector<std::pair<std::string, Link>> ports = {};  ///< of a block
  Names* inner = nullptr;                                ///< of an inline list or a repeat
  Place place = {};
  std::shared_ptr<const Origin> origin = {};
  int first = 0, last = 0;  ///< the layers that it wrote: [first, last)
};

class Names {
 public:
  explicit Names(const Names* outer = nullptr) : outer_(outer) {}

  /// Null when it is new, else what stands under the name already.
  const Target* define(std::string name, Target target);
  /// What the longest beginning of `path` that is a name stands for; `rest` is what follows it.
  const Target* find(std::string_view path, std::string_view& rest) const;
  /// The same, among the names around this list, too.
  const Target* find_around(std::string_view path, std::string_view& rest) const;
  /// The list that is being written: whoever names what stands further down is told so.
  void promise(const Node& items) { items_ = &items; }
  void reserve(size_t names);
  /// The name of an item further down in this list or those around it, or null.
  const Node* below(std::string_view name) const;
  std::vector<std::string> own() const;    ///< names of this list
  std::vector<std::string> known() const;  ///< and those around it

 private:
  const Names* outer_;
  const Node* items_ = nullptr;
  std::vector<std::pair<std::string, Target>> targets_;
  std::unordered_map<std::string, size_t> index_;
};

/// Follows `a.b.c` from a name to a value. Reports a name or port that does not exist; the link
/// is -1 then.
Target resolve(const Env& env, const Names& names, const std::optional<Target>& prev,
               const std::string& path, const Place& at);

}  // namespace braid::dsl
