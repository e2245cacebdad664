// The JSON Schema (draft-07) of network files, made from what this build knows: editors complete,
// explain and check with it. Private to the .cpp files that write it: json.hpp is slow to compile.
#pragma once
#include <string>
#include <vector>

#include <braid/core/registry.h>
#include <braid/runtime/forms.h>
#include <nlohmann/json.hpp>

namespace braid::cli {

/// Keys are sorted, so the same build writes the same text.
using Schema = nlohmann::json;

struct Property {
  std::string name;
  Schema schema;
  bool required = false;
};
using Properties = std::vector<Property>;

// Values.
Schema text();
Schema number();
Schema flag();
Schema anything();
Schema described(Schema schema, const std::string& doc);
Schema named(const std::string& definition);
Schema one_of(std::vector<std::string> words);
Schema integer(double least);
Schema list_of(Schema item);
/// The value itself or an expression.
Schema value(Schema schema, const std::string& doc = {});
/// Text, one or a list of them.
Schema texts(const std::string& doc);
Schema of_param(const ParamDef& param);
Properties of_params(const std::vector<ParamDef>& params);

// Mappings. In each of them keys that begin with `x-` are the user's.
/// With these keys and no others.
Schema object(const Properties& properties);
/// Whose keys are names.
Schema map_of(Schema value, const std::string& doc = {});
/// `{type: ..., ...}`: what else may stand beside `type` depends on it.
struct Choice {
  std::string name, doc, definition;
};
Schema typed(const std::vector<Choice>& choices, const std::string& doc);
/// The `type` of one choice.
Property type_of(const std::string& name, const std::string& doc);

// Definitions that the parts of a file add.
void add_items(const Registry& registry, Schema& definitions);
void add_terms(const Registry& registry, Schema& definitions);
void add_optimizers(const Registry& registry, Schema& definitions);
void add_schedules(Schema& definitions);
void add_sources(Schema& definitions);
void add_stages(Schema& definitions);
Schema pipeline();
/// The keys of the file, which refer to all of these.
Properties sections();

/// Does the reader know what `text` says? A part of the language that this version refuses is left
/// out of the schema.
bool is_read(const std::string& text);
/// Leaves out the properties that this version refuses; `before` and `after` make a file of one.
Properties only_read(Properties properties, const std::string& before, const std::string& after);

/// A layer's doc, formula and source as one text.
std::string doc_of(const LayerDef& def);

Schema file_schema(const Registry& registry);

}  // namespace braid::cli
