// `braid layers [TYPE]`: the reference pages, from the registry.

#include "commands.h"
#include "json.h"
#include "network.h"
#include "output.h"
#include "pages.h"

namespace braid::cli {
namespace {

Json as_json(const LayerDef& def, const char* role) {
  Json params = Json::array(), inputs = Json::array(), outputs = Json::array();
  for (auto& p : def.params) {
    bool given = p.fallback.is_null() && !p.optional;
    Json entry = {{"name", p.name},
                  {"type", kind_name(p.kind)},
                  {"needed", given},
                  {"default", p.fallback.is_null() ? Json() : Json(to_string(p.fallback))},
                  {"doc", p.doc}};
    if (!p.choices.empty()) entry["choices"] = p.choices;
    params.push_back(entry);
  }
  for (auto& p : def.inputs) inputs.push_back(p.name);
  for (auto& p : def.outputs) outputs.push_back(p.name);
  return {{"name", def.name},     {"role", role},
          {"doc", def.doc},       {"formula", def.formula},
          {"inputs", inputs},     {"outputs", outputs},
          {"parameters", params}, {"example", example_of(def)}};
}

int one_type(const Arguments& a, const Registry& registry) {
  std::vector<std::string> known;
  for (auto& [role, one, many] : roles)
    for (auto& name : registry.layers(role)) {
      if (name == a.target) {
        auto& def = *registry.layer(name);
        print(a.json ? line(as_json(def, one)) : page(def, registry));
        return 0;
      }
      known.push_back(name);
    }
  throw Error(Fault::usage, "E0706",
              "this build knows no type '" + a.target + "'" + did_you_mean(a.target, known));
}

}  // namespace

int layers_command(const Arguments& a) {
  const Registry registry = registry_with(a.plugins);
  if (!a.target.empty()) return one_type(a, registry);
  if (a.markdown) return print(all_pages(registry)), 0;
  Json all = Json::array();
  for (auto& [role, one, many] : roles) {
    Table table({many, ""});
    for (auto& name : registry.layers(role)) {
      auto& def = *registry.layer(name);
      table.row({"  " + name, first_sentence(def.doc)});
      all.push_back(as_json(def, one));
    }
    if (!a.json) print(table.text() + "\n");
  }
  if (a.json) print(line({{"layers", all}}));
  return 0;
}

}  // namespace braid::cli
