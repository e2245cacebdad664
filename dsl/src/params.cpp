#include "params.h"

#include <algorithm>

#include "expression.h"
#include "keys.h"

namespace braid::dsl {
namespace {

using Kind = ParamDecl::Kind;

struct KindRow {
  Kind kind;
  const char *word, *phrase;
};
constexpr KindRow kinds[] = {
    {Kind::integer, "int", "an integer"},     {Kind::number, "float", "a number"},
    {Kind::boolean, "bool", "true or false"}, {Kind::text, "text", "text"},
    {Kind::list, "list", "a list"},           {Kind::layer, "layer", "a layer"}};

const char* phrase(Kind kind) {
  for (const KindRow& row : kinds)
    if (row.kind == kind) return row.phrase;
  return "a value";
}

/// The type of a declaration that names one of another language: its default would be that word.
const char* type_meant_by(const ParamDecl& decl) {
  static constexpr std::pair<const char*, const char*> others[] = {
      {"integer", "int"}, {"number", "float"}, {"double", "float"}, {"boolean", "bool"},
      {"str", "text"},    {"string", "text"},  {"array", "list"},   {"module", "layer"}};
  for (auto& [theirs, ours] : others)
    if (decl.otherwise && decl.otherwise->text == theirs) return ours;
  return "";
}

Kind kind_of_value(const Attr& value) {
  if (value.is<int64_t>()) return Kind::integer;
  if (value.is<double>()) return Kind::number;
  if (value.is<bool>()) return Kind::boolean;
  if (value.is<std::string>()) return Kind::text;
  return value.is<Attr::List>() ? Kind::list : Kind::any;
}

/// An integer is a number, too; everything else is what it is.
bool fit(Attr& value, Kind kind) {
  if (kind == Kind::any || kind_of_value(value) == kind) return true;
  if (kind != Kind::number || !value.is<int64_t>()) return false;
  value.value = double(value.as_int());
  return true;
}

class Binding {
 public:
  Binding(const Env& env, const ScopePtr& outer) : env_(env), scope_(std::make_shared<Scope>()) {
    scope_->outer = outer;
    scope_->file = outer ? outer->file : nullptr;
  }

  /// The default decides the kind of what may be given instead.
  bool bind(const ParamDecl& decl, const Node* given) {
    if (decl.kind == Kind::layer || (decl.otherwise && looks_like_item(*decl.otherwise)))
      return bind_layer(decl, given);
    Kind kind = decl.kind;
    std::optional<Attr> value;
    if (decl.otherwise) {
      value = evaluate({env_.reading, scope_, env_.via}, *decl.otherwise);
      if (!value) return false;
      kind = kind_of_value(*value);
    }
    if (given) {
      value = evaluate(env_, *given);
      if (!value) return false;
      if (!fit(*value, kind)) return refuse(decl, *given, kind, *value);
    }
    scope_->variables.push_back({decl.name, std::move(*value)});
    return true;
  }

  ScopePtr scope() const { return scope_; }

 private:
  bool bind_layer(const ParamDecl& decl, const Node* given) {
    // A copy of the names so far: a scope that held itself would never be freed.
    LayerValue layer{decl.otherwise, std::make_shared<Scope>(*scope_)};
    if (given) {
      const LayerValue* passed = layer_value(env_, *given);
      layer = passed ? *passed : LayerValue{given, env_.scope};
    }
    if (layer.node->is_scalar() || looks_like_item(*layer.node)) {
      scope_->variables.push_back({decl.name, layer});
      return true;
    }
    env_.error("E0035", layer.node->place,
               "param '" + decl.name + "' is a layer, this is " + kind_of(*layer.node))
        .help("write an item: {type: ReLU}");
    return false;
  }

  bool refuse(const ParamDecl& decl, const Node& given, Kind kind, const Attr& value) {
    auto& error = env_.error(
        "E0035", given.place,
        "param '" + decl.name + "' is " + phrase(kind) + ", this is " + described(value));
    error.note(env_.reading.mark(decl.place), "declared");
    if (kind == Kind::integer && value.is<double>() && decl.otherwise)
      error.help("write its default with a point to allow fractions");
    if (value.is<std::string>() && given.quoted) error.help("a value in quotes is text");
    if (auto type = type_meant_by(decl); kind == Kind::text && *type)
      error.help("as a type write " + decl.name + ": " + type);
    return false;
  }

  const Env& env_;
  std::shared_ptr<Scope> scope_;
};

}  // namespace

bool looks_like_item(const Node& node) {
  if (!node.is_map()) return false;
  for (const char* key : {"type", "use", "layers", "share"})
    if (find_member(node, key)) return true;
  return false;
}

std::vector<ParamDecl> read_params(const Env& env, const Node& node) {
  std::vector<ParamDecl> decls;
  if (!Keys(env, node, "params").is_map()) return decls;
  for (const Member& member : node.members) {
    static constexpr std::string_view words[] = {"i",   "if",   "else",  "and", "or",
                                                 "not", "true", "false", "null"};
    bool reserved = std::find(std::begin(words), std::end(words), member.key) != std::end(words);
    bool named = lone_name("$" + member.key) == member.key;
    if (reserved || !named) {
      env.error("E0034", member.place,
                "a param cannot be named '" + member.key + "'" +
                    (reserved ? ", a word of expressions" : ""))
          .help("letters, digits and `_`, not beginning with a digit");
      continue;
    }
    ParamDecl decl{member.key, member.place, Kind::any, &member.value};
    if (member.value.is_scalar() && !member.value.quoted)
      for (const KindRow& row : kinds)
        if (member.value.text == row.word) decl.kind = row.kind, decl.otherwise = nullptr;
    decls.push_back(std::move(decl));
  }
  return decls;
}

namespace {

/// Is something given that no param is called, and that stands for this one?
bool is_misspelt(const std::string& name, const std::vector<Given>& given,
                 const std::vector<ParamDecl>& decls) {
  const std::vector<std::string> wanted = {name};
  return std::any_of(given.begin(), given.end(), [&](const Given& g) {
    bool declared = std::any_of(decls.begin(), decls.end(),
                                [&](const ParamDecl& d) { return d.name == g.member->key; });
    return !declared && !meant(g.member->key, wanted).empty();
  });
}

}  // namespace

ScopePtr bind_params(const Env& env, const std::vector<ParamDecl>& decls, std::vector<Given>& given,
                     const ScopePtr& outer, const Place* caller, const std::string& what) {
  Binding binding(env, outer);
  bool fine = true;
  std::vector<std::string> names;
  for (const ParamDecl& decl : decls) {
    names.push_back(decl.name);
    auto found = std::find_if(given.begin(), given.end(),
                              [&](const Given& g) { return g.member->key == decl.name; });
    if (found != given.end()) found->used = true;
    if (found == given.end() && !decl.otherwise && is_misspelt(decl.name, given, decls)) {
      fine = false;  // reported as what was typed
    } else if (found == given.end() && !decl.otherwise) {
      auto& error =
          env.error("E0036", caller ? *caller : decl.place,
                    what + " needs a value for '" + decl.name + "', " + phrase(decl.kind));
      if (caller)
        error.note(env.reading.mark(decl.place), "declared");
      else
        error.help("write a default here, or --set " + decl.name + "=... on the command line");
      fine = false;
    } else {
      fine &= binding.bind(decl, found == given.end() ? nullptr : &found->member->value);
    }
  }
  for (const Given& g : given) {
    if (g.used) continue;
    env.error("E0030", g.member->place,
              what + " has no param '" + g.member->key + "'" + did_you_mean(g.member->key, names));
    fine = false;
  }
  return fine ? binding.scope() : nullptr;
}

}  // namespace braid::dsl
