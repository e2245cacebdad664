// Writes the layers of a Model: goes through the items of a file, expands blocks, inline lists,
// repeats and loops, and resolves every `from` to a Link.
#pragma once
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include <braid/core/model.h>

#include "files.h"
#include "item.h"
#include "names.h"
#include "patterns.h"

namespace braid::dsl {

/// A value that an item takes.
struct Input {
  Target target;
  std::string into = {};  ///< the port, for `from: {input: f}`
  Place place = {};
};
using Inputs = std::vector<Input>;

/// The list that is being written.
struct List {
  Env env;
  Names* names;                     ///< of its items
  std::string prefix = {};          ///< of their paths
  std::optional<Target> prev = {};  ///< the item above
  Inherited inherited = {};
  int position = 0;  ///< of the next item
};

class Writer {
 public:
  Writer(Reading& reading, Model& model, Patterns& patterns);

  /// The names of the file's inputs, and the value that its first item takes.
  List start(const Env& env);
  void write(List& list, const Node& items);
  /// `from:` of an item, a loss or a metric.
  Inputs read_from(const List& list, const Env& env, const Node& node);
  Link link(const Env& env, const Input& input) const;

 private:
  /// One item with the place and the names that it is written with.
  struct Copy {
    const Item& item;
    Env env;
    std::string component;  ///< its part of the path
    std::string label;      ///< `k=3, i=1`: of the loop and repeat that it comes from
    bool one_of_many = false;
  };

  void write_entry(List& list, const Node& node, const Env& env);
  void write_loop(List& list, const Item& item, const Env& env);
  void write_item(List& list, const Item& item, const Env& env, const std::string& label);
  void write_repeated(List& list, const Item& item, const Env& env, const std::string& label,
                      int64_t times, const std::optional<std::string>& name);
  Target repeat(List& list, const Item& item, const Env& env, const std::string& label,
                int64_t times, const std::optional<std::string>& name, Inputs inputs);
  std::optional<bool> is_on(const Copy& copy);
  Target removed(const Copy& copy, const Inputs& inputs);
  Inputs inputs_of(const List& list, const Copy& copy);
  Target write_copy(List& list, const Copy& copy, Inputs inputs);
  Target write_type(List& list, const Copy& copy, const Inputs& inputs);
  Target write_layer(List& list, const Copy& copy, std::string type, const Inputs& inputs);
  void name_by_expression(const Copy& copy, LayerItem& layer) const;
  Target write_block(List& list, const Copy& copy, const Inputs& inputs);
  Target write_inline(List& list, const Copy& copy, const Inputs& inputs);
  Target write_share(List& list, const Copy& copy, Inputs inputs);
  void share_parameters(const Target& shared, int first);
  const Block* find_block(const Env& env, const Node& node);
  ScopePtr bind(const Copy& copy, const Block& block, std::string& arguments);
  bool name_inputs(const Copy& copy, const Block& block, const Inputs& inputs, Names& names);
  void read_outputs(const List& body, const Block& block, Target& target);
  void expect_of_group(const Copy& copy, const Target& target, int first);
  void define(List& list, const std::string& name, const Place& at, Target target);
  size_t enter(const List& list, const Copy& copy, const std::string& type);
  void take_path(const LayerItem& layer, const Place& at);
  Via frame(const Copy& copy, const std::string& what) const;
  Names& new_names(const Names* outer);

  Reading& reading_;
  Model& model_;
  Patterns& patterns_;
  std::deque<Names> names_;
  std::vector<const Block*> inside_;  ///< the blocks that are being written, outermost first
  std::unordered_map<std::string, int> paths_;
  size_t depth_ = 0;
};

/// `sync: all | none | a group size`: replicas per group, 0 = all.
std::optional<int> read_sync(const Env& env, const Node& node, int64_t replicas);
/// `freeze: true | false | params | stats`.
std::optional<Freeze> read_freeze(const Env& env, const Node& node);

/// `sync`, `freeze`, `when` and `recompute` of an item, where it has them, else what it inherits.
/// `segment` is that of an item that is the first to say recompute.
Inherited read_inherited(const Env& env, const Item& item, const Inherited& outer, int64_t replicas,
                         const std::string& segment);

}  // namespace braid::dsl
