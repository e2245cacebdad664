// What the schema says of the parts of a file beside its layers.
#include <braid/runtime/data.h>
#include <braid/runtime/schedule.h>

#include "schema.h"

namespace braid::cli {
namespace {

Schema section(Schema keys, const std::string& doc) { return described(std::move(keys), doc); }

Schema dimensions(const std::string& words, const std::string& doc) {
  const Schema word = {{"type", "string"}, {"pattern", words}};
  return described(list_of({{"anyOf", {integer(1), word, named("expression")}}}), doc);
}

Schema block() {
  return object(
      {{"params", named("params")},
       {"inputs", described(list_of(named("name")), "Names of its inputs; none = `in`.")},
       {"layers", named("items"), true},
       {"outputs",
        map_of(named("reference"), "Ports, the first being the default; none = its last layer.")}});
}

Schema input() {
  const Schema dtypes = one_of({"f32", "f64", "f16", "bf16", "i64", "i32", "u8", "bool"});
  return object({{"shape", named("shape"), true}, {"dtype", value(dtypes, "Default f32.")}});
}

Schema batch() {
  return object(
      {{"global", value(integer(1), "Samples of one optimizer step, over all replicas.")},
       {"per_replica", value(integer(1), "Samples of each replica: x replicas x accumulate.")},
       {"accumulate", value(integer(1), "Micro-batches that the batch is cut into; default 1.")},
       {"last",
        value(one_of({"keep", "drop"}), "A smaller last batch of an epoch; default keep.")}});
}

Schema evaluation() {
  return object({{"every", value(integer(1), "Epochs between two evaluations; default 1.")}});
}

Schema checkpoint() {
  return object({{"every", value(integer(1), "Steps between two checkpoints.")},
                 {"keep", value(integer(1), "How many are kept; default 3.")}});
}

Properties of_train() {
  Properties later = {
      {"minutes", value(number(), "Training ends after this many minutes.")},
      {"clip", object({{"norm", value(number(), "Gradients are scaled down to this norm.")},
                       {"value", value(number(), "Elements are cut at plus and minus this.")}})},
      {"ema", value(number(), "Decay of a running average of the weights.")},
      {"keep_best", object({{"metric", value(text(), "A metric's name.")},
                            {"mode", value(one_of({"max", "min"}), "What is better.")}})},
      {"stop_after",
       object({{"evals_without_gain", value(integer(1), "Evaluations without a gain.")}})}};
  Properties keys = only_read(later, "train: {", "}");
  keys.push_back({"steps", value(integer(0), "Optimizer steps, counted from the run's start.")});
  keys.push_back({"epochs", value(integer(0), "Passes over the data.")});
  keys.push_back({"eval", evaluation()});
  keys.push_back({"checkpoint", checkpoint()});
  return keys;
}

Schema weights() {
  Properties keys = only_read(
      {{"rename", map_of(text(), "Parts of keys and what stands for them: {'module.': ''}.")},
       {"missing", texts("Patterns of keys that the file may lack.")},
       {"extra", texts("Patterns of keys of the file that the network may lack.")},
       {"misshapen", texts("Patterns of keys whose shapes may differ: a new head.")}},
      "weights: {path: w.safetensors, ", "}");
  keys.push_back({"path", value(text(), "A safetensors file, relative to this one."), true});
  return object(keys);
}

/// One loss or metric, or several by name.
Schema terms(const std::string& role, bool single, const std::string& doc) {
  Schema several = map_of(named(role));
  several["properties"]["note"] = named("note");
  if (!single) return section(several, doc);
  return section({{"type", "object"},
                  {"if", {{"required", {"type"}}}},
                  {"then", named(role)},
                  {"else", several}},
                 doc);
}

Schema precision() {
  std::vector<Schema> forms = {one_of({"f32"})};
  if (is_read("precision: {compute: bf16}"))
    forms.push_back(object({{"compute", value(one_of({"f32", "bf16", "f16"}))},
                            {"loss_scale", value({{"anyOf", {one_of({"auto"}), number()}}})}}));
  return described({{"anyOf", forms}}, "What is computed in; default f32.");
}

Schema reduce() {
  return value(
      one_of({"exact", "fast"}),
      "How gradients are summed over replicas. exact (default): equal bits on any devices; "
      "fast: between GPUs as NCCL does it, other bits for another number of GPUs.");
}

/// Parts of the language that other versions may lack.
Properties later_sections() {
  const Schema rule = object({{"match", texts("Patterns of weight keys or layer paths.")},
                              {"types", texts("Layer types.")}});
  Schema init = rule;
  init["additionalProperties"] = named("law");
  const Schema phase = object({{"loss", terms("loss", true, "")},
                               {"optimizer", named("optimizer")},
                               {"schedule", named("schedule")},
                               {"metrics", terms("metric", false, "")},
                               {"update", texts("Patterns of the parameters it updates.")},
                               {"every", value(integer(1), "Batches between two of its steps.")}});
  return only_read(
      {{"plugins", texts("Libraries that bring layers.")},
       {"phases", map_of(phase, "Several optimizers, run in order, once a batch.")},
       {"tie", map_of(text(), "Two parameters that are one: {head.weight: embed.weight}.")},
       {"freeze", texts("Patterns of what training leaves alone.")},
       {"sync",
        map_of(named("sync"), "Patterns of layers and the replicas that share statistics.")},
       {"init", described(list_of(init), "How parameters begin, by pattern or type.")}},
      "", "");
}

Schema optimizer_group(const LayerDef& def) {
  Properties keys = {{"match", texts("Patterns of weight keys: ['*.bias'].")},
                     {"types", texts("Layer types: [BatchNorm2d].")}};
  for (auto& property : of_params(def.params)) keys.push_back({property.name, property.schema});
  Schema group = object(keys);
  group["anyOf"] = {{{"required", {"match"}}}, {{"required", {"types"}}}};
  return group;
}

}  // namespace

void add_optimizers(const Registry& registry, Schema& definitions) {
  std::vector<Choice> choices;
  for (auto& name : registry.layers(Role::optimizer)) {
    auto& def = *registry.layer(name);
    Properties keys = of_params(def.params);
    keys.push_back(type_of(name, doc_of(def)));
    keys.push_back({"groups", described(list_of(optimizer_group(def)),
                                        "Parameters with settings of their own.")});
    definitions["optimizer." + name] = object(keys);
    choices.push_back({name, doc_of(def), "optimizer." + name});
  }
  definitions["optimizer"] = typed(choices, "How parameters are updated.");
}

void add_schedules(Schema& definitions) {
  std::vector<Choice> choices;
  for (auto& form : schedule_forms()) {
    Properties keys = of_params(form.params);
    keys.push_back(type_of(form.name, form.doc));
    definitions["schedule." + form.name] = object(keys);
    choices.push_back({form.name, form.doc, "schedule." + form.name});
  }
  definitions["schedule"] = typed(choices, "The learning rate of every step.");
}

Schema augment() {
  const Form form = augment_form(), part = resized_crop_form(), jitter = jitter_form();
  Schema schema = object(of_params(form.params));
  schema["properties"]["random_resized_crop"] =
      described({{"anyOf", {flag(), object(of_params(part.params))}}}, part.doc);
  schema["properties"]["jitter"] = described(object(of_params(jitter.params)), jitter.doc);
  return described(schema, form.doc);
}

void add_sources(Schema& definitions) {
  std::vector<Choice> choices;
  const Form random = random_fill_form();
  for (auto& form : data_source_forms()) {
    Properties keys = of_params(form.params);
    keys.push_back(type_of(form.name, form.doc));
    keys.push_back({"augment", augment()});
    const Form fill = fill_form(form.name);
    Schema source = object(keys);
    source["additionalProperties"] = {{"type", "object"},
                                      {"if", {{"required", {"random"}}}},
                                      {"then", object(of_params(random.params))},
                                      {"else", object(of_params(fill.params))},
                                      {"description", fill.doc}};
    definitions["source." + form.name] = source;
    choices.push_back({form.name, form.doc, "source." + form.name});
  }
  definitions["source"] = typed(choices, "Where samples come from.");
}

Properties sections() {
  Properties all = later_sections();
  const Properties keys = {
      {"braid", described({{"const", 1}}, "The version of the format: the first key of a file."),
       true},
      {"name", value(text(), "Of the network; default: the file's.")},
      {"params", named("params")},
      {"include", texts("Files that bring blocks, relative to this one.")},
      {"replicas", value(integer(1), "Slices that the batch is cut into; default 1.")},
      {"batch", section(batch(), "How many samples a step sees.")},
      {"seed", value(integer(0), "Of weights, shuffles and dropout; default 0.")},
      {"precision", precision()},
      {"reduce", reduce()},
      {"blocks", map_of(named("block"), "Templates with params of their own.")},
      {"inputs", map_of(named("input"), "What a step is given: {image: {shape: [N, 1, 28, 28]}}.")},
      {"layers", named("items")},
      {"pipeline", pipeline()},
      {"outputs", map_of(named("reference"), "Names and the layers they are; none = the last.")},
      {"loss", terms("loss", true, "What is made small: one loss, or several by name.")},
      {"metrics", terms("metric", false, "What is measured, by name.")},
      {"optimizer", named("optimizer")},
      {"schedule", named("schedule")},
      {"data", section(object({{"train", named("source")}, {"test", named("source")}}),
                       "Where samples come from.")},
      {"train", section(object(of_train()), "How long, and what is kept.")},
      {"weights", section(weights(), "What to begin with.")},
      {"devices", texts("Where the replicas run, unless --devices says so: [cpu:0, cpu:1].")}};
  all.insert(all.end(), keys.begin(), keys.end());
  return all;
}

Schema file_schema(const Registry& registry) {
  Schema schema = object(sections());
  schema["$schema"] = "http://json-schema.org/draft-07/schema#";
  schema["title"] = "A network of Braid";
  // What brings blocks only is included by others; stages may stand without layers.
  schema["if"] = {{"not", {{"anyOf", {{{"required", {"blocks"}}}, {{"required", {"pipeline"}}}}}}}};
  schema["then"] = {{"required", {"inputs", "layers"}}};
  Schema& definitions = schema["definitions"];
  definitions["expression"] = {{"type", "string"}, {"pattern", "\\$"}};
  definitions["size"] =
      described({{"type", "string"}, {"pattern", "^([0-9]+ *\\* *)?[A-Z][A-Z0-9_]*$"}},
                "The size of a dimension that has a name: L, or a multiple, 2*L.");
  definitions["users"] = described(anything(), "Yours: Braid does not look at it.");
  definitions["note"] = described(anything(), "For readers: Braid does not look at it.");
  definitions["params"] = map_of(
      anything(),
      "Names for expressions: a default value, or a type (int, float, bool, text, list, layer) "
      "where a value must be given.");
  definitions["shape"] = dimensions("^([0-9]+ ?\\* ?)?[A-Z][A-Z0-9_]*$",
                                    "Sizes; N, the batch, is dimension 0: [N, 3, 224, 224].");
  definitions["expect"] = dimensions("^(([0-9]+ ?\\* ?)?[A-Z][A-Z0-9_]*|_)$",
                                     "Asserts a shape; _ matches anything: [N, _, 7, 7].");
  definitions["block"] = block();
  definitions["input"] = input();
  add_items(registry, definitions);
  add_terms(registry, definitions);
  add_optimizers(registry, definitions);
  add_schedules(definitions);
  add_sources(definitions);
  add_stages(definitions);
  return schema;
}

}  // namespace braid::cli
