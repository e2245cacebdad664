// `braid layers [TYPE]`: the reference pages, from the registry.
#include <braid/nodes/builtin.h>

#include "commands.h"
#include "json.h"
#include "output.h"

namespace braid::cli {
namespace {

struct RoleName {
  Role role;
  const char* one;
  const char* many;
};
constexpr RoleName roles[] = {{Role::layer, "layer", "layers"},
                              {Role::loss, "loss", "losses"},
                              {Role::metric, "metric", "metrics"},
                              {Role::optimizer, "optimizer", "optimizers"}};

const char* kind_name(ParamKind kind) {
  switch (kind) {
    case ParamKind::boolean:
      return "bool";
    case ParamKind::integer:
      return "int";
    case ParamKind::number:
      return "float";
    case ParamKind::text:
      return "text";
    case ParamKind::choice:
      return "choice";
    case ParamKind::integers:
      return "int or list";
    case ParamKind::numbers:
      return "list of floats";
    case ParamKind::any:
      return "any";
  }
  return "";
}

std::string default_of(const ParamDef& p) {
  if (!p.fallback.is_null()) return ", default " + to_string(p.fallback);
  return p.optional ? ", may be left out" : ", needed";
}

std::string doc_of(const ParamDef& p) {
  std::string out = p.doc;
  for (size_t i = 0; i < p.choices.size(); ++i)
    out += (i ? ", " : out.empty() ? "one of " : "; one of ") + p.choices[i];
  return out;
}

std::string ports(const std::vector<PortDef>& list) {
  std::string out;
  for (auto& p : list)
    out += (out.empty() ? "" : ", ") + p.name + (p.variadic ? " ..." : "") +
           (p.optional ? " (may be left out)" : "") + (p.doc.empty() ? "" : ": " + p.doc);
  return out.empty() ? "none" : out;
}

std::string page(const LayerDef& def, const char* role) {
  std::string out = def.name + "  (" + role + ")\n\n" + wrapped(def.doc);
  if (!def.formula.empty()) out += "\n" + wrapped(def.formula, "  ");
  if (!def.source.empty()) out += "\nsource   " + def.source + "\n";
  out += "\ninputs   " + ports(def.inputs) + "\noutputs  " + ports(def.outputs) + "\n";
  if (def.params.empty()) return out + "\nno parameters\n";
  out += "\nparameters\n";
  for (auto& p : def.params)
    out += "  " + p.name + ": " + kind_name(p.kind) + default_of(p) + "\n" +
           wrapped(doc_of(p), "      ");
  return out;
}

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
  return {{"name", def.name}, {"role", role},       {"doc", def.doc},      {"formula", def.formula},
          {"inputs", inputs}, {"outputs", outputs}, {"parameters", params}};
}

int one_type(const Arguments& a, const Registry& registry) {
  std::vector<std::string> known;
  for (auto& [role, one, many] : roles)
    for (auto& name : registry.layers(role)) {
      if (name == a.target) {
        auto& def = *registry.layer(name);
        print(a.json ? line(as_json(def, one)) : page(def, one));
        return 0;
      }
      known.push_back(name);
    }
  throw Error(Fault::usage, "E0706",
              "this build knows no type '" + a.target + "'" + did_you_mean(a.target, known));
}

}  // namespace

int layers_command(const Arguments& a) {
  Registry registry;
  register_builtin(registry);
  if (!a.target.empty()) return one_type(a, registry);
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
