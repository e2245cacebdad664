// What the schema says of layer lists, and of losses and metrics.
#include <algorithm>

#include "output.h"
#include "schema.h"

namespace braid::cli {
namespace {

const char* const from_doc =
    "What it takes: nothing = the item above; a name, `name.port`, `prev` or `in`; a list in the "
    "layer's order; or a map by port.";

/// Keys that belong to an item of any kind.
Properties of_any_item() {
  return {{"name", named("name"), false},
          {"from", named("from"), false},
          {"for", named("for"), false},
          {"if", value(flag(), "Off: whoever names the item gets its first input."), false},
          {"when", value(one_of({"train", "eval"}), "The item is there in this mode only."), false},
          {"repeat",
           value(integer(0), "That many copies, chained by the first input; `i` counts from 0."),
           false},
          {"expect", named("expect"), false}};
}

/// Keys of what has layers of its own: not of a second call.
Properties of_first_call() {
  return {
      {"sync", named("sync"), false},
      {"freeze",
       value({{"anyOf", {flag(), one_of({"all", "params", "stats"})}}},
             "What training leaves alone: true (= all), params, or stats (running statistics)."),
       false},
      {"recompute",
       value(flag(), "Drops activations and computes them again for the gradient; the same bits."),
       false},
      {"on_replicate", value(text(), "The callback, bound by name, that is told of each replica."),
       false}};
}

/// Keys of a layer.
Properties of_layer() {
  return {{"init",
           map_of(named("law"), "How parameters begin: {weight: {normal: {std: 0.02}}, bias: 0}."),
           false}};
}

Properties of_later_layer() {
  return {
      {"constant",
       map_of(anything(), "Makes a parameter a buffer: {weight: {gaussian: {sigma: 1}}}."), false},
      {"spectral_norm", value(flag(), "Divides the weight by its largest singular value."), false}};
}

Properties joined(std::initializer_list<Properties> parts) {
  Properties all;
  for (auto& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

/// The same keys, defined once.
Properties shared(Properties properties) {
  for (auto& property : properties) property.schema = named("key." + property.name);
  return properties;
}

/// What this version reads beside `type`.
Properties of_typed_item() {
  return joined({of_any_item(), of_first_call(), of_layer(),
                 only_read(of_later_layer(), "layers: [{type: ReLU, ", "}]")});
}

Schema layer(const std::string& name, const std::string& doc, const Properties& common,
             const Properties& params) {
  return object(joined({{type_of(name, doc)}, common, params}));
}

/// A layer's parameters; what its definition has words for alone is spelt out.
Properties params_of(const LayerDef& def) {
  Properties params = of_params(def.params);
  const Schema type = {{"anyOf", {named("shape"), named("input")}}};
  const Schema in = {{"anyOf", {list_of(named("name")), map_of(type)}}};
  for (auto& [name, schema, required] : params)
    if (def.name == "Callback" && name == "ports")
      schema = described(object({{"in", in, false}, {"out", map_of(type), true}}),
                         "{in: [x], out: {y: [N, 10], n: {shape: [N], dtype: i64}}}; none = it "
                         "watches.");
  return params;
}

bool needs_a_parameter(const LayerDef& def) {
  return std::ranges::any_of(
      def.params, [](auto& param) { return param.fallback.is_null() && !param.optional; });
}

void add_layers(const Registry& registry, const Properties& common, Schema& definitions) {
  std::vector<Choice> choices;
  Schema words = Schema::array(), docs = Schema::array();
  for (auto& name : registry.layers(Role::layer)) {
    auto& def = *registry.layer(name);
    choices.push_back({name, doc_of(def), "layer." + name});
    definitions["layer." + name] = layer(name, doc_of(def), common, params_of(def));
    if (needs_a_parameter(def)) continue;
    words.push_back(name);
    docs.push_back(first_sentence(def.doc));
  }
  definitions["typed"] = typed(choices, "A layer: its parameters stand beside `type`.");
  definitions["word"] = {{"enum", words}, {"enumDescriptions", docs}};
}

/// `if` an item has this key `then` it is of this kind.
Schema when_it_has(const std::string& key, Schema then, Schema otherwise) {
  return {{"if", {{"required", {key}}}}, {"then", std::move(then)}, {"else", std::move(otherwise)}};
}

Schema item(const Properties& common) {
  Schema kinds = {{"required", {"type"}}};
  for (const char* kind : {"share", "layers", "use"})
    kinds = when_it_has(kind, named(std::string("item.") + kind), kinds);
  kinds = when_it_has("type", named("typed"), kinds);
  kinds["type"] = "object";
  for (auto& [name, schema, required] : common) kinds["properties"][name] = schema;
  for (const char* kind : {"use", "share", "type"}) kinds["properties"][kind] = anything();
  return {{"anyOf", {named("word"), named("expression"), kinds}},
          {"description",
           "An item of a layer list: a layer's type, or a mapping with one of type, use, layers "
           "and share."}};
}

Schema loops() {
  const Schema range = {{"type", "string"}, {"pattern", "\\.\\.|\\$"}};
  return map_of({{"anyOf", {range, list_of(anything())}}},
                "Writes the item once for each value: {k: 0..4}, both ends included; several "
                "variables advance together.");
}

Schema laws() {
  const Schema name = one_of({"kaiming_normal", "kaiming_uniform", "normal", "ones", "uniform",
                              "xavier_normal", "xavier_uniform", "zeros"});
  const Schema with_parameters = {{"type", "object"}, {"minProperties", 1}, {"maxProperties", 1}};
  return {{"anyOf", {number(), name, with_parameters, named("expression")}},
          {"description", "A number, a law by PyTorch's name, or a law with its parameters."}};
}

Choice add_term(const LayerDef& def, const char* role, Schema& definitions) {
  std::string definition = std::string(role) + "." + def.name;
  Properties keys = {
      type_of(def.name, doc_of(def)),
      {"from", named("from"), true},
      {"factor", value({{"type", "number"}}, "What it counts for in the sum."), false}};
  // A parameter of the same name says more.
  definitions[definition] = object(joined({keys, of_params(def.params)}));
  return {def.name, doc_of(def), definition};
}

}  // namespace

std::string doc_of(const LayerDef& def) {
  std::string doc = def.doc;
  if (!def.formula.empty()) doc += "\n\n" + def.formula;
  if (!def.source.empty()) doc += "\n\nAs " + def.source + ".";
  return doc;
}

void add_items(const Registry& registry, Schema& definitions) {
  const Properties typed_item = of_typed_item();
  for (auto& [name, schema, required] : typed_item) definitions["key." + name] = schema;
  add_layers(registry, shared(typed_item), definitions);
  definitions["item"] = item(shared(typed_item));
  definitions["items"] = list_of(named("item"));
  definitions["items"]["minItems"] = 1;
  definitions["name"] = described({{"type", {"string", "number"}}},
                                  "The first part of its weights' keys, and what `from` names. "
                                  "Without one an item is called by its position.");
  definitions["from"] = described(
      {{"anyOf", {named("reference"), list_of(named("reference")), map_of(named("reference"))}}},
      from_doc);
  definitions["reference"] = {{"type", {"string", "number"}}};
  definitions["for"] = loops();
  definitions["law"] = laws();
  definitions["sync"] =
      value({{"anyOf", {one_of({"all", "none"}), integer(1)}}},
            "Which replicas share statistics: all (default), none, or groups of this many.");

  const Properties any = shared(of_any_item());
  const Properties of_group = joined({any, shared(of_first_call())});
  Schema use = object(joined({{{"use", value(text(), "A block of `blocks`."), true}}, of_group}));
  use["additionalProperties"] = described(anything(), "A param of the block.");
  definitions["item.use"] = use;
  definitions["item.layers"] = object(joined({{{"layers", named("items"), true}}, of_group}));
  definitions["item.share"] = object(joined({{{"share", named("reference"), true}}, any}));
}

void add_terms(const Registry& registry, Schema& definitions) {
  for (auto [role, name] : {std::pair(Role::loss, "loss"), std::pair(Role::metric, "metric")}) {
    std::vector<Choice> choices;
    for (auto& term : registry.layers(role))
      choices.push_back(add_term(*registry.layer(term), name, definitions));
    definitions[name] = typed(choices, "");
  }
}

}  // namespace braid::cli
