// What the schema says of `pipeline:`.
#include <braid/core/stages.h>
#include <braid/runtime/builtin_stages.h>

#include "schema.h"

namespace braid::cli {
namespace {

Schema between(Schema schema, double most) {
  schema["maximum"] = int64_t(most);
  return schema;
}

Properties of_any_stage(const std::string& kind, const std::string& doc) {
  return {type_of(kind, doc),
          {"name", described({{"type", {"string", "number"}}},
                             "What `from` names; without one a stage is called by its position.")},
          {"for", named("for")},
          {"if", value(flag(), "Off: whoever names the stage gets what it would have taken.")}};
}

void add(Properties& to, const Properties& more) { to.insert(to.end(), more.begin(), more.end()); }

Properties of_takers() {
  return {{"from", named("stage.from")},
          {"queue", value(between(integer(1), double(longest_queue)),
                          "Items that wait in front of the stage; default 16.")},
          {"overflow", value(one_of({"block", "drop_oldest", "drop_newest"}),
                             "What happens to an item that comes to a full queue: the stage before "
                             "waits (default), the longest waiting or the new one is dropped.")}};
}

Properties of_workers() {
  return {{"parallel", value(between(integer(0), double(most_parallel)),
                             "Items at a time; default 1, 0 = as many as there are threads.")},
          {"order", value(one_of({"kept", "any"}),
                          "Whether items leave in the order of the source; default kept.")}};
}

/// A name, of those that come with Braid or any other.
Properties of_call(const std::vector<std::string>& names) {
  return {{"call", described({{"anyOf", {{{"enum", names}}, text()}}}, "The name of a callable."),
           true}};
}

/// What the callables that come with Braid take.
Schema of_builtins(StageKind kind, const Stages& stages) {
  Schema rules = Schema::array();
  for (auto& name : stages.names(kind)) {
    Schema keys = Schema::object();
    for (auto& [key, schema, required] : of_params(stages.find(kind, name)->params)) {
      keys["properties"][key] = schema;
      if (required) keys["required"].push_back(key);
    }
    if (!keys.empty())
      rules.push_back(
          {{"if", {{"properties", {{"call", {{"const", name}}}}}, {"required", {"call"}}}},
           {"then", keys}});
  }
  return rules;
}

Properties of_join() {
  return {
      {"call", value(text(), "The callable that makes one item of several.")},
      {"by", value(text(), "The field, or the callable, that is the key; default: the origin.")}};
}

Properties of_batch() {
  return {
      {"max", value(between(integer(1), double(largest_stage_batch)), "Items of a full batch."),
       true},
      {"wait_ms", value({{"type", "number"}, {"minimum", 0}, {"maximum", longest_wait_ms}},
                        "How long a batch waits for more items, from its first on; default 1.")}};
}

Properties of_network() {
  return {{"model", value(text(), "A network file; default: the layers of this file.")},
          {"weights", value(text(), "A safetensors file; default: what the network's file says.")},
          {"feed", map_of(value(text()),
                          "Inputs of the network and the fields they get: {image: pixels}.")},
          {"outputs", texts("Outputs or layers that become fields; default: all outputs.")}};
}

/// A join has parameters where it has a callable.
void close_without_call(Schema& stage) {
  Schema names = Schema::array();
  for (auto& [name, of] : stage["properties"].items()) names.push_back(name);
  stage["if"] = {{"required", {"call"}}};
  stage["else"] = {{"propertyNames", {{"anyOf", {{{"enum", names}}, {{"pattern", "^x-"}}}}}}};
}

struct KindDoc {
  StageKind kind;
  const char* doc;
  bool takes, calls, works;
};
constexpr KindDoc kind_docs[] = {
    {StageKind::source, "Items come from a callable.", false, true, false},
    {StageKind::map, "An item becomes another.", true, true, true},
    {StageKind::filter, "An item goes on, or does not.", true, true, true},
    {StageKind::join, "Items of several stages with equal keys become one.", true, false, false},
    {StageKind::batch, "Items become batches, as full as the wait allows.", true, false, false},
    {StageKind::network, "A network runs over batches.", true, false, true},
    {StageKind::unbatch, "A batch becomes items again.", true, false, false},
    {StageKind::sink, "Items end in a callable.", true, true, true}};

}  // namespace

void add_stages(Schema& definitions) {
  const Stages builtin = builtin_stages({});
  std::vector<Choice> choices;
  for (auto& [kind, doc, takes, calls, works] : kind_docs) {
    const std::string name(stage_type(kind));
    Properties keys = of_any_stage(name, doc);
    if (takes) add(keys, of_takers());
    if (works) add(keys, of_workers());
    if (calls) add(keys, of_call(builtin.names(kind)));
    if (kind == StageKind::join) add(keys, of_join());
    if (kind == StageKind::batch) add(keys, of_batch());
    if (kind == StageKind::network) add(keys, of_network());
    Schema& stage = definitions["stage." + name] = object(keys);
    if (calls || kind == StageKind::join)
      stage["additionalProperties"] = described(anything(), "A parameter of the callable.");
    if (kind == StageKind::join) close_without_call(stage);
    if (auto rules = of_builtins(kind, builtin); calls && !rules.empty()) stage["allOf"] = rules;
    choices.push_back({name, doc, "stage." + name});
  }
  definitions["stage.from"] =
      described({{"anyOf", {named("reference"), list_of(named("reference"))}}},
                "The stage above; a name, `prev`, or, for a Join, a list of names.");
  Schema words = one_of({"Network", "Unbatch"});
  definitions["stage"] = {{"if", {{"type", "string"}}},
                          {"then", words},
                          {"else", typed(choices,
                                         "A stage: what its callable takes stands beside "
                                         "`type`.")}};
}

Schema pipeline() {
  Schema list = list_of(named("stage"));
  list["minItems"] = 1;
  const Schema whole =
      object({{"in_flight", value(between(integer(1), double(most_in_flight)),
                                  "Items between sources and sinks; more wait in the source.")},
              {"stages", list, true}});
  return described({{"if", {{"type", "object"}}}, {"then", whole}, {"else", list}},
                   "Stages from Source to Sink, which `braid stream` runs.");
}

}  // namespace braid::cli
