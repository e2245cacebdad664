// A file and what it includes: their params, and the blocks that each of them sees.
#pragma once
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "params.h"

namespace braid::dsl {

struct BlockInput {
  std::string name;
  Place place;
};

struct Block {
  std::string name;
  Place place;
  const File* file = nullptr;
  std::vector<ParamDecl> params = {};
  std::vector<BlockInput> inputs = {};  ///< empty: the single input `in`
  const Node* layers = nullptr;
  const Node* outputs = nullptr;
};

struct File {
  std::string name;    ///< as the user called it
  std::string folder;  ///< of `name`
  Node root = {};
  ScopePtr scope = {};
  std::deque<Block> own = {};
  std::map<std::string, const Block*> blocks = {};  ///< its own and those it includes
  bool complete = true;  ///< false: an include failed, so that blocks may be missing
};

/// `braid: 1`, the first key.
bool check_version(const Env& env, const Node& root);

class Files {
 public:
  /// `main` is the path of the file that includes may not leave the folder of.
  Files(Reading& reading, const std::string& main);

  /// Takes over a tree, reads its params (with `given` values instead of defaults), includes and
  /// blocks. False when what uses them cannot be understood.
  bool open(File& file, std::vector<Given> given);
  const File& main() const { return *files_.front(); }
  File& add(std::string name);

 private:
  bool include(File& file, const Node& entry);
  const File* load(const Env& env, const std::string& name, const Place& at);
  bool read_blocks(File& file, const Node& node);
  bool read_block(File& file, const Member& member);
  bool publish(File& file, const Block& block, const Place& at);

  struct Loaded {
    std::string canonical;
    const File* file;
    bool open;  // being read: an include of it is a cycle
  };

  Reading& reading_;
  std::string root_;
  std::deque<std::unique_ptr<File>> files_;
  std::vector<Loaded> loaded_;
};

}  // namespace braid::dsl
