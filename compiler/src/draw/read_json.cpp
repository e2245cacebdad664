// JSON back to pictures. Strict: a key that is unknown, a name that is none, a type that is wrong
// are errors that say where.
#include <functional>
#include <limits>
#include <unordered_map>

#include <braid/core/error.h>
#include <nlohmann/json.hpp>

#include "sketch.h"

namespace braid {
namespace {

using Json = nlohmann::json;

/// What stands at a place of the document: "/pictures/0/nodes/3".
struct Place {
  const Json& json;
  std::string path;
  const std::string& name;

  [[noreturn]] void refuse(const std::string& why) const {
    throw Error(Fault::data, "E0709",
                name + ": " + (path.empty() ? "the document" : path) + ": " + why)
        .help(
            "`braid draw NET --format json` writes such files; `braid schema --graph` has their "
            "schema");
  }

  Place at(const char* key) const {
    if (!json.is_object()) refuse("an object is expected");
    auto found = json.find(key);
    if (found == json.end()) refuse(std::string("'") + key + "' is missing");
    return {*found, path + "/" + key, name};
  }
  bool has(const char* key) const { return json.is_object() && json.contains(key); }

  void each(const std::function<void(const Place&)>& visit) const {
    if (!json.is_array()) refuse("an array is expected");
    for (size_t i = 0; i < json.size(); ++i) visit({json[i], path + "/" + std::to_string(i), name});
  }

  void only(std::initializer_list<std::string_view> keys) const {
    if (!json.is_object()) refuse("an object is expected");
    for (auto& [key, value] : json.items())
      if (std::ranges::find(keys, key) == keys.end()) refuse("'" + key + "' is no key of this");
  }
};

void read(const Place& from, std::string& to) {
  if (!from.json.is_string()) from.refuse("a string is expected");
  to = from.json.get<std::string>();
}
void read(const Place& from, bool& to) {
  if (!from.json.is_boolean()) from.refuse("true or false is expected");
  to = from.json.get<bool>();
}
void read(const Place& from, int64_t& to) {
  if (!from.json.is_number_integer() ||
      (from.json.is_number_unsigned() &&
       from.json.get<uint64_t>() > uint64_t(std::numeric_limits<int64_t>::max())))
    from.refuse("an integer is expected");
  to = from.json.get<int64_t>();
}
void read(const Place& from, int& to) {
  int64_t wide = 0;
  read(from, wide);
  if (wide < -1 || wide > std::numeric_limits<int>::max()) from.refuse("it is out of range");
  to = int(wide);
}
void read(const Place& from, double& to) {
  if (!from.json.is_number()) from.refuse("a number is expected");
  to = from.json.get<double>();
}
void read(const Place& from, std::pair<std::string, std::string>& to) {
  if (!from.json.is_array() || from.json.size() != 2) from.refuse("a pair is expected");
  read({from.json[0], from.path + "/0", from.name}, to.first);
  read({from.json[1], from.path + "/1", from.name}, to.second);
}
template <class T>
void read(const Place& from, std::vector<T>& to) {
  from.each([&](const Place& item) { read(item, to.emplace_back()); });
}
void read(const Place& from, Picture::Merge& to) {
  from.only({"how", "values", "bytes", "first", "last", "tree"});
  read(from.at("how"), to.how), read(from.at("values"), to.values);
  read(from.at("bytes"), to.bytes), read(from.at("tree"), to.tree);
  read(from.at("first"), to.first), read(from.at("last"), to.last);
}

template <class T>
void maybe(const Place& from, const char* key, T& to) {
  if (from.has(key)) read(from.at(key), to);
}

template <class Enum>
void read_word(const Place& from, Enum& to, Enum last) {
  std::string word;
  read(from, word);
  for (int i = 0; i <= int(last); ++i)
    if (to_string(Enum(i)) == word) {
      to = Enum(i);
      return;
    }
  from.refuse("'" + word + "' is none of its words");
}

class Reader {
 public:
  explicit Reader(const Place& from) : from_(from) {}

  Picture picture() {
    from_.only({"view", "title", "replicas", "devices", "clusters", "nodes", "edges", "types"});
    read_word(from_.at("view"), p_.view, Picture::View::pipeline);
    read(from_.at("title"), p_.title);
    maybe(from_, "replicas", p_.replicas);
    maybe(from_, "devices", p_.devices);
    from_.at("clusters").each([&](const Place& at) { cluster(at); });
    from_.at("nodes").each([&](const Place& at) { node(at); });
    from_.at("edges").each([&](const Place& at) { edge(at); });
    from_.at("types").each([&](const Place& at) { about(at); });
    return std::move(p_);
  }

 private:
  using Ids = std::unordered_map<std::string, int>;

  static void enter(const Place& at, Ids& ids, std::string& id) {
    read(at.at("id"), id);
    if (!ids.try_emplace(id, int(ids.size())).second) at.refuse("a second '" + id + "'");
  }

  static int find(const Place& at, const Ids& ids) {
    std::string id;
    read(at, id);
    auto found = ids.find(id);
    if (found == ids.end()) at.refuse("there is no '" + id + "' before this");
    return found->second;
  }

  void cluster(const Place& at) {
    at.only({"id", "text", "parent", "path", "type", "callback"});
    Picture::Cluster c;
    read(at.at("text"), c.text);
    if (at.has("parent")) c.parent = find(at.at("parent"), clusters_);
    enter(at, clusters_, c.id);
    maybe(at, "path", c.path), maybe(at, "type", c.type), maybe(at, "callback", c.callback);
    p_.clusters.push_back(std::move(c));
  }

  void node(const Place& at) {
    at.only({"id",     "kind",     "text",       "cluster", "groups", "layer",
             "type",   "file",     "line",       "column",  "via",    "arguments",
             "inputs", "outputs",  "parameters", "bytes",   "flops",  "replica",
             "device", "backward", "callbacks",  "merge",   "time"});
    Picture::Node n;
    enter(at, nodes_, n.id);
    read_word(at.at("kind"), n.kind, Picture::Kind::callback);
    read(at.at("text"), n.text);
    if (at.has("cluster")) n.cluster = find(at.at("cluster"), clusters_);
    maybe(at, "groups", n.groups), maybe(at, "layer", n.layer), maybe(at, "type", n.type);
    maybe(at, "file", n.file), maybe(at, "line", n.line), maybe(at, "column", n.column);
    maybe(at, "via", n.via), maybe(at, "arguments", n.arguments);
    maybe(at, "inputs", n.inputs), maybe(at, "outputs", n.outputs);
    maybe(at, "parameters", n.parameters), maybe(at, "bytes", n.bytes);
    maybe(at, "flops", n.flops), maybe(at, "replica", n.replica), maybe(at, "device", n.device);
    if (n.device >= int(p_.devices.size())) at.refuse("there is no such device");
    maybe(at, "backward", n.backward), maybe(at, "callbacks", n.callbacks);
    if (at.has("merge")) read(at.at("merge"), n.merge.emplace(Picture::Merge{}));
    maybe(at, "time", n.time);
    p_.nodes.push_back(std::move(n));
  }

  void edge(const Place& at) {
    at.only({"from", "to", "text", "sync"});
    Picture::Edge e{find(at.at("from"), nodes_), find(at.at("to"), nodes_)};
    maybe(at, "text", e.text), maybe(at, "sync", e.sync);
    p_.edges.push_back(std::move(e));
  }

  void about(const Place& at) {
    at.only({"type", "doc", "formula"});
    auto& about = p_.types.emplace_back();
    read(at.at("type"), about.type), read(at.at("doc"), about.doc);
    maybe(at, "formula", about.formula);
  }

  const Place& from_;
  Picture p_;
  Ids clusters_, nodes_;
};

}  // namespace

std::vector<Picture> read_pictures(const std::string& json, const std::string& name) {
  const Json document = Json::parse(json, nullptr, false);
  const Place all{document, "", name};
  if (document.is_discarded()) all.refuse("this is no JSON");
  int64_t version = 0;
  read(all.at("braid-graph"), version);
  if (version != graph_version)
    all.refuse("version " + std::to_string(version) + " is not " + std::to_string(graph_version) +
               ", the one that is read here");
  all.only({"braid-graph", "pictures"});
  std::vector<Picture> pictures;
  all.at("pictures").each([&](const Place& at) { pictures.push_back(Reader(at).picture()); });
  return pictures;
}

}  // namespace braid
