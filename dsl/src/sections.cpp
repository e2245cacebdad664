// Name, replicas, batch, inputs: what the layers need to know.
#include "sections.h"

#include <algorithm>
#include <filesystem>

#include "shapes.h"

namespace braid::dsl {
namespace {

constexpr int64_t most_replicas = 4096;
constexpr int64_t largest_batch = INT32_MAX;

// Names of other frameworks lead to ours.
std::string dtype_help(const std::string& typed) {
  const std::pair<const char*, const char*> others[] = {
      {"float", "f32"},   {"float32", "f32"}, {"float64", "f64"},   {"double", "f64"},
      {"float16", "f16"}, {"half", "f16"},    {"bfloat16", "bf16"}, {"int64", "i64"},
      {"long", "i64"},    {"int", "i32"},     {"int32", "i32"},     {"uint8", "u8"},
      {"byte", "u8"},     {"boolean", "bool"}};
  const std::string last = typed.substr(typed.rfind('.') + 1);  // torch.float32
  for (auto& [name, ours] : others)
    if (last == name) return std::string("write dtype: ") + ours;
  return "there are f32, f64, f16, bf16, i64, i32, u8 and bool";
}

void read_input(const Env& env, const Member& member, Model& model) {
  const std::string& name = member.key;
  check_name(env, name, member.place, "the input");
  if (name == "in" || name == "prev")
    env.error("E0034", member.place, "'" + name + "' is a word of `from`, not a name");
  Keys keys(env, member.value, "input '" + name + "'", "{shape: [N, 3, 32, 32], dtype: f32}");
  InputDecl input{name, {}, env.mark(member.place)};
  if (const Node* shape = keys.require("shape", "shape: [N, 3, 224, 224]; N is the batch"))
    if (auto dims = read_shape(env, *shape)) input.type.shape = std::move(*dims);
  if (const Node* dtype = keys.take("dtype"))
    if (auto text = read_text_value(env, *dtype, "dtype")) {
      auto known = parse_dtype(*text);
      if (known)
        input.type.dtype = *known;
      else
        env.error("E0065", dtype->place, "no dtype '" + *text + "'").help(dtype_help(*text));
    }
  keys.finish();
  model.inputs.push_back(std::move(input));
}

}  // namespace

void read_name_and_seed(const Env& env, Keys& keys, Model& model) {
  if (const Node* node = keys.take("name")) {
    auto name = read_name(env, *node, "name");
    if (name && check_name(env, *name, node->place, "the name")) model.name = *name;
  }
  if (const Node* node = keys.take("seed"))
    if (auto seed = read_integer(env, *node, "seed", 0)) model.seed = uint64_t(*seed);
}

void read_replicas(const Env& env, Keys& keys, Model& model) {
  const Node* node = keys.take("replicas");
  if (!node) return;
  if (auto replicas = read_integer(env, *node, "replicas", 1, most_replicas))
    model.replicas = *replicas;
  model.replicas_mark = env.mark(node->place);
}

void refuse_batch_size(const Env& env, const Member& bare) {
  bool counts = bare.value.is_scalar() && !bare.value.text.empty() &&
                bare.value.text.find_first_not_of("0123456789") == std::string::npos;
  const std::string size = counts ? bare.value.text : "64";
  env.error("E0057", bare.place,
            "does " + bare.key + " count the samples of all replicas, or of each?")
      .help("batch: {global: " + size + "} is what one optimizer step sees over all replicas;\n" +
            "batch: {per_replica: " + size + "} is what each replica sees;\n" +
            "`batch` stands at the top of the file");
}

void read_batch(const Env& env, Keys& keys, Model& model) {
  for (const char* key : {"batch_size", "batchsize", "mini_batch_size"})
    if (const Member* bare = keys.take_odd(key)) refuse_batch_size(env, *bare);
  const Member* member = keys.take_member("batch");
  if (!member) return;
  const Node* node = &member->value;
  if (!node->is_map()) return refuse_batch_size(env, *member);
  Keys batch(env, *node, "batch");
  BatchDecl& decl = model.batch;
  decl.mark = env.mark(node->place);
  for (const char* key : {"size", "batch_size"})
    if (const Member* bare = batch.take_odd(key)) refuse_batch_size(env, *bare);
  if (const Node* accumulate = batch.take("accumulate"))
    decl.accumulate = read_integer(env, *accumulate, "accumulate", 1, 1 << 20).value_or(1);
  const Node* global = batch.take("global");
  const Node* per_replica = batch.take("per_replica");
  if (global) decl.global = read_integer(env, *global, "global", 1, largest_batch).value_or(0);
  if (global && per_replica)
    env.error("E0057", per_replica->place, "a batch is either global or per_replica, not both")
        .note(env.mark(global->place), "global")
        .help("remove one of the two; per_replica is times replicas and accumulate");
  if (!global && per_replica)
    if (auto each = read_integer(env, *per_replica, "per_replica", 1, largest_batch)) {
      auto all = checked_product(*each, model.replicas * decl.accumulate);
      if (all && *all <= largest_batch)
        decl.global = *all;
      else
        env.error("E0033", per_replica->place, "per_replica x replicas x accumulate is too large");
    }
  if (decl.global > 0 && decl.global < decl.accumulate)
    env.error("E0033", node->place,
              "a batch of " + std::to_string(decl.global) + " cannot be cut into " +
                  std::to_string(decl.accumulate) + " micro-batches")
        .help("accumulate is at most " + std::to_string(decl.global) + " here");
  if (const Node* last = batch.take("last"))
    if (auto text = read_text_value(env, *last, "last")) {
      decl.drop_last = *text == "drop";
      if (*text != "drop" && *text != "keep")
        env.error("E0032", last->place, "last is keep or drop, this is '" + *text + "'");
    }
  batch.finish();
}

void read_inputs(const Env& env, Keys& keys, Model& model) {
  const Node* node = keys.require("inputs", "inputs: {image: {shape: [N, 3, 32, 32]}}");
  if (!node) return;
  if (!Keys(env, *node, "inputs", "inputs: {image: {shape: [N, 3, 32, 32]}}").is_map()) return;
  for (const Member& member : node->members) read_input(env, member, model);
  if (model.inputs.empty())
    env.error("E0031", node->place, "the file has no inputs")
        .help("inputs: {image: {shape: [N, 3, 32, 32]}}");
  model.free = env.reading.free;
  std::vector<std::string> known;
  for (auto& dim : model.free) known.push_back(dim.name);
  for (auto& size : env.reading.sizes)
    if (std::find(known.begin(), known.end(), size.name) == known.end())
      env.error("E0038", size.place,
                "the file has no param and no dimension '" + size.name + "'" +
                    did_you_mean(size.name, known));
}

}  // namespace braid::dsl
