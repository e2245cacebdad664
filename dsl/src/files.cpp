#include "files.h"

#include <algorithm>
#include <filesystem>

#include "item.h"
#include "keys.h"
#include "text.h"

namespace braid::dsl {
namespace {

namespace fs = std::filesystem;

std::string canonical(const fs::path& path) {
  std::error_code failed;
  fs::path result = fs::weakly_canonical(fs::absolute(path, failed), failed);
  return failed ? path.string() : result.string();
}

std::string folder_of(const std::string& name) { return fs::path(name).parent_path().string(); }

std::string joined(const std::string& folder, const std::string& name) {
  return folder.empty() ? name : (fs::path(folder) / name).string();
}

bool lies_in(const std::string& path, const std::string& folder) {
  return folder == "/" || (path.compare(0, folder.size(), folder) == 0 &&
                           path.size() > folder.size() && path[folder.size()] == '/');
}

/// A param that is named like a key which every item has could never be given.
void refuse_common_names(const Env& env, const Block& block) {
  const auto& common = common_keys();
  for (const ParamDecl& param : block.params)
    if (std::find(common.begin(), common.end(), param.name) != common.end())
      env.error("E0034", param.place,
                "a param cannot be named '" + param.name + "', which is a key of every item")
          .help("call it otherwise, such as block_" + param.name);
}

/// Only blocks come in: anything else an included file says would be lost in silence.
void check_included_keys(const Env& env, const Node& root) {
  Keys keys(env, root, "an included file, which brings blocks only");
  for (const char* key : {"braid", "name", "params", "include", "blocks"}) keys.take(key);
  keys.finish();
}

}  // namespace

bool check_version(const Env& env, const Node& root) {
  const Member* braid = find_member(root, "braid");
  if (!braid || &root.members.front() != braid) {
    auto& error = env.error("E0020", root.members.empty() ? root.place : root.members[0].place,
                            "the first key of a file is `braid: 1`");
    if (braid) error.note(env.mark(braid->place), "it stands here");
    error.help(braid ? "move it to the top" : "write `braid: 1` above this line");
    return false;
  }
  auto version = evaluate(env, braid->value);
  if (!version) return false;
  if (*version == Attr(1)) return true;
  env.error("E0020", braid->value.place,
            "this is version 1 of the language, the file says " + described(*version))
      .help("write braid: 1");
  return false;
}

Files::Files(Reading& reading, const std::string& main)
    : reading_(reading), root_(canonical(folder_of(main).empty() ? "." : folder_of(main))) {
  loaded_.push_back({canonical(main), nullptr, true});
}

File& Files::add(std::string name) {
  auto file = std::make_unique<File>();
  file->folder = folder_of(name);
  file->name = std::move(name);
  files_.push_back(std::move(file));
  return *files_.back();
}

bool Files::open(File& file, std::vector<Given> given) {
  auto base = std::make_shared<Scope>();
  base->file = &file;
  Env env{reading_, base};
  std::vector<ParamDecl> params;
  size_t errors = reading_.errors;
  if (const Member* member = find_member(file.root, "params"))
    params = read_params(env, member->value);
  file.scope = bind_params(env, params, given, base, nullptr, "this file");
  if (!file.scope) return false;
  const Member* includes = find_member(file.root, "include");
  if (includes && includes->value.is_list())
    for (const Node& entry : includes->value.items) file.complete &= include(file, entry);
  else if (includes)
    file.complete &= include(file, includes->value);
  if (const Member* blocks = find_member(file.root, "blocks")) read_blocks(file, blocks->value);
  return reading_.errors == errors;
}

bool Files::include(File& file, const Node& entry) {
  Env env{reading_, file.scope};
  auto name = read_text_value(env, entry, "an include");
  if (!name) return false;
  if (name->empty() || fs::path(*name).is_absolute()) {
    env.error("E0042", entry.place, "an include is a path relative to this file")
        .help("include: [blocks/resnet.yaml]");
    return false;
  }
  const File* other = load(env, joined(file.folder, *name), entry.place);
  if (!other) return false;
  bool fine = true;
  for (const auto& [key, block] : other->blocks) fine &= publish(file, *block, entry.place);
  return fine;
}

const File* Files::load(const Env& env, const std::string& name, const Place& at) {
  std::string real = canonical(name);
  if (!lies_in(real, root_)) {
    env.error("E0042", at, "this include leaves the folder of the file")
        .help("keep what a network includes beside or below it");
    return nullptr;
  }
  size_t depth = 0;
  for (const Loaded& l : loaded_) {
    depth += l.open;
    if (l.canonical != real) continue;
    if (!l.open) return l.file;
    env.error("E0041", at, "this include comes back to a file that is being read: " + name)
        .help("move the blocks that both files need into a third one");
    return nullptr;
  }
  if (depth > Limits::include_depth || loaded_.size() > Limits::files) {
    env.error("E0043", at, "too many includes");
    return nullptr;
  }
  std::string why;
  auto bytes = load_bytes(name, why);
  if (!bytes) {
    env.error("E0040", at, "cannot read " + name + ": " + why)
        .help("an include is a path relative to the file that it stands in");
    return nullptr;
  }
  Mark here = env.mark(at);
  auto via = std::make_shared<const Frame>(Frame{"include", here});
  auto source = add_text(reading_, name, std::move(*bytes), via);
  size_t slot = loaded_.size();
  loaded_.push_back({real, nullptr, true});
  File& file = add(name);
  bool fine = source && parse_yaml(reading_, *source, file.root);
  if (fine && !file.root.is_map()) {
    reading_.error("E0013", file.root.place, "expected `key: value` at the top of the file");
    fine = false;
  }
  if (fine) {
    check_included_keys({reading_, nullptr}, file.root);
    fine = check_version({reading_, nullptr}, file.root) && open(file, {});
  }
  loaded_[slot].open = false;
  loaded_[slot].file = fine ? &file : nullptr;
  return loaded_[slot].file;
}

bool Files::publish(File& file, const Block& block, const Place& at) {
  auto [known, fresh] = file.blocks.emplace(block.name, &block);
  if (fresh || known->second == &block) return true;
  reading_.error("E0044", at, "block '" + block.name + "' is defined twice")
      .note(reading_.mark(known->second->place), "here")
      .note(reading_.mark(block.place), "and here")
      .help("rename one of the two");
  return false;
}

bool Files::read_blocks(File& file, const Node& node) {
  if (!Keys({reading_, file.scope}, node, "blocks").is_map()) return false;
  bool fine = true;
  for (const Member& member : node.members)
    if (!is_users(member.key)) fine &= read_block(file, member);
  return fine;
}

bool Files::read_block(File& file, const Member& member) {
  Env env{reading_, file.scope};
  size_t errors = reading_.errors;
  Block block{member.key, member.place, &file};
  check_name(env, block.name, member.place, "the block's name");
  Keys keys(env, member.value, "block '" + block.name + "'", "{layers: [ReLU]}");
  if (const Node* params = keys.take("params")) block.params = read_params(env, *params);
  if (const Node* inputs = keys.take("inputs")) {
    if (!inputs->is_list() || inputs->items.empty())
      env.error("E0032", inputs->place,
                "inputs of a block are a list of names, this is " + kind_of(*inputs))
          .help("inputs: [x, skip]");
    for (const Node& item : inputs->items)
      if (auto name = read_name(env, item, "an input")) {
        check_name(env, *name, item.place, "the input");
        for (const BlockInput& other : block.inputs)
          if (other.name == *name)
            env.error("E0005", item.place, "input '" + *name + "' stands here twice");
        block.inputs.push_back({*name, item.place});
      }
  }
  block.layers = keys.require("layers", "layers: [{type: Linear, out_features: 10}]");
  block.outputs = keys.take("outputs");
  keys.finish();
  refuse_common_names(env, block);
  file.own.push_back(std::move(block));
  publish(file, file.own.back(), member.place);
  return reading_.errors == errors;
}

}  // namespace braid::dsl
