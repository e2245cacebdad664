#include "pages.h"

#include <algorithm>
#include <cctype>
#include <cmath>

#include <braid/compiler/compile.h>
#include <braid/dsl/read.h>

#include "output.h"

namespace braid::cli {
namespace {

// ---- an example from a sample

/// `, dim: 1, mode: nearest`
std::string typed(const Dict& params) {
  std::string out;
  for (auto& entry : params) out += ", " + entry.key + ": " + to_string(entry.value);
  return out;
}

std::string input_line(const std::string& name, const Type& type) {
  std::string dtype =
      type.dtype == DType::f32 ? "" : ", dtype: " + std::string(to_string(type.dtype));
  return "  " + name + ": {shape: " + to_string(type.shape) + dtype + "}\n";
}

/// One input is `x`; several are called like the ports they go to, those of one port a, b, c.
std::vector<std::string> input_names(const LayerDef& def, size_t count) {
  if (count == 1) return {"x"};
  std::vector<std::string> names;
  for (size_t i = 0; i < count; ++i)
    names.push_back(i < def.inputs.size() && !def.inputs[i].variadic
                        ? def.inputs[i].name
                        : std::string(1, char('a' + i)));
  return names;
}

std::string inputs_of(const Sample& sample, const std::vector<std::string>& names) {
  std::string out = "braid: 1\ninputs:\n";
  for (size_t i = 0; i < names.size(); ++i) out += input_line(names[i], sample.inputs[i]);
  return names.empty() ? out + input_line("x", {DType::f32, {N, 4}}) : out;  // a network has one
}

std::string lower(std::string text) {
  for (char& c : text) c = char(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

std::string example_of_layer(const LayerDef& def, const Sample& sample) {
  auto names = input_names(def, sample.inputs.size());
  std::string from;
  if (names.size() == 1) from = ", from: x";
  if (names.size() > 1) from = ", from: [" + listed(names) + "]";
  return inputs_of(sample, names) + "layers:\n  - {name: " + lower(def.name) +
         ", type: " + def.name + from + typed(sample.params) + "}\n";
}

std::string example_of_term(const LayerDef& def, const Sample& sample) {
  auto names = input_names(def, sample.inputs.size());
  std::string term =
      "{type: " + def.name + ", from: [" + listed(names) + "]" + typed(sample.params) + "}";
  return inputs_of(sample, names) + "layers:\n  - {type: Identity, from: " + names[0] + "}\n" +
         (def.role == Role::loss ? "loss: " + term : "metrics: {measured: " + term + "}") + "\n";
}

std::string example_of_optimizer(const LayerDef& def, const Sample& sample) {
  return "braid: 1\ninputs:\n  x: {shape: [N, 4]}\n  label: {shape: [N], dtype: i64}\n"
         "layers:\n  - {name: fc, type: Linear, from: x, out_features: 3}\n"
         "loss: {type: CrossEntropy, from: [fc, label]}\n"
         "optimizer: {type: " +
         def.name + typed(sample.params) + "}\n";
}

// ---- the parts of a page

std::string number_text(double v) {
  return v == std::floor(v) && std::abs(v) < 1e15 ? std::to_string(int64_t(v)) : shortest(v);
}

std::string range_of(const ParamDef& p) {
  std::string out;
  if (p.min > -1e300)
    out += (p.min_exclusive ? ", more than " : ", at least ") + number_text(p.min);
  if (p.max < 1e300) out += (p.max_exclusive ? ", less than " : ", at most ") + number_text(p.max);
  return out;
}

std::string kind_of(const ParamDef& p) {
  if (p.kind == ParamKind::integers && p.length)
    return "int or list of " + std::to_string(p.length);
  if (p.kind == ParamKind::numbers && p.length)
    return "list of " + std::to_string(p.length) + " floats";
  return p.kind == ParamKind::choice ? "one of " + listed(p.choices) : kind_name(p.kind);
}

std::string default_of(const ParamDef& p) {
  if (!p.fallback.is_null()) return ", default " + to_string(p.fallback);
  return p.optional ? ", may be left out" : ", needed";
}

/// `* text`, its further lines indented.
std::string bullet(const std::string& text) {
  std::string lines = wrapped(text, "  ");
  lines[0] = '*';
  return lines;
}

std::string ports(const std::vector<PortDef>& list) {
  std::vector<std::string> words;
  for (auto& p : list)
    words.push_back("`" + p.name + (p.variadic ? " ...`" : "`") +
                    (p.optional ? " (may be left out)" : "") + (p.doc.empty() ? "" : ": " + p.doc));
  return words.empty() ? "none" : listed(words);
}

std::string code(const std::string& text, const char* language) {
  return std::string("```") + language + "\n" + text + "```\n";
}

/// What `check` says of the example: the result's shape and the keys of the weights.
std::string what_it_makes(const LayerDef& def, const std::string& example,
                          const Registry& registry) {
  Diagnostics found;
  Model model = read_text(example, def.name + ".yaml", {}, found);
  Summary summary = check(model, registry, found);
  found.raise();
  auto row = std::ranges::find(summary.layers, def.name, &LayerSummary::type);
  if (row == summary.layers.end()) return "";
  std::string out = "gives `" + to_string(row->shape) + "`";
  std::vector<std::string> keys;
  for (auto& state : summary.states)
    if (state.key.starts_with(row->name + "."))
      keys.push_back("`" + state.key + "` " + to_string(state.type.shape) +
                     (state.kind == StateVar::Kind::buffer ? " (buffer)" : ""));
  return out + (keys.empty() ? "" : "; keys of its weights: " + listed(keys));
}

const RoleName& role_of(const LayerDef& def) {
  return *std::ranges::find(roles, def.role, &RoleName::role);
}

}  // namespace

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

std::string example_of(const LayerDef& def) {
  if (def.samples.empty()) return "";
  const Sample& sample = def.samples.front();
  if (def.role == Role::layer) return example_of_layer(def, sample);
  if (def.role == Role::optimizer) return example_of_optimizer(def, sample);
  return example_of_term(def, sample);
}

std::string page(const LayerDef& def, const Registry& registry) {
  std::string out = "### " + def.name + "\n\n" + wrapped(def.doc);
  if (!def.formula.empty()) out += "\n" + code(wrapped(def.formula), "");
  out += "\n" + bullet(std::string("role: ") + role_of(def).one);
  if (!def.source.empty()) out += bullet("source: " + def.source);
  if (def.role != Role::optimizer) out += bullet("inputs: " + ports(def.inputs));
  if (def.role == Role::layer) out += bullet("outputs: " + ports(def.outputs));
  for (auto& p : def.params)
    out += bullet("`" + p.name + "`: " + kind_of(p) + default_of(p) + range_of(p) +
                  (p.doc.empty() ? "" : ". " + p.doc));
  std::string example = example_of(def);
  if (example.empty()) return out;
  out += "\n" + code(example, "yaml");
  std::string makes = what_it_makes(def, example, registry);
  return makes.empty() ? out : out + "\n" + wrapped(makes);
}

std::string all_pages(const Registry& registry) {
  std::string list, pages;
  for (auto& [role, one, many] : roles) {
    std::vector<std::string> links;
    pages += std::string("\n## ") + char(std::toupper(many[0])) + (many + 1) + "\n";
    for (auto& name : registry.layers(role)) {
      links.push_back("[" + name + "](#" + lower(name) + ")");
      pages += "\n" + page(*registry.layer(name), registry);
    }
    list += bullet(std::string(many) + ": " + listed(links));
  }
  return "# Layers\n\n" +
         wrapped(
             "What this build knows, from its registry; `braid layers Conv2d` prints one page. "
             "Do not edit: `braid layers --markdown > docs/layers.md` writes this file anew.") +
         "\n" +
         wrapped(
             "Parameters stand beside `type`. Every item takes `name`, `from`, `if`, `when`, "
             "`for`, `repeat`, `expect`, `sync`, `freeze`, `init`, `recompute`, `on_replicate` "
             "and keys that begin with `x-`, too.") +
         "\n" + list + pages;
}

}  // namespace braid::cli
