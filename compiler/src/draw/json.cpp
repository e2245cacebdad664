// Pictures as JSON: what is 0, empty or -1 is left out. Nodes and frames are named by their ids.
#include <braid/core/error.h>
#include <nlohmann/json.hpp>

#include "sketch.h"

namespace braid {
namespace {

using Json = nlohmann::ordered_json;

template <class T>
void put(Json& to, const char* key, const T& value, const T& otherwise = {}) {
  if (value != otherwise) to[key] = value;
}

Json pairs(const std::vector<std::pair<std::string, std::string>>& values) {
  Json out = Json::array();
  for (auto& [key, value] : values) out.push_back({key, value});
  return out;
}

Json to_json(const Picture::Merge& merge) {
  return {{"how", merge.how},     {"values", merge.values}, {"bytes", merge.bytes},
          {"first", merge.first}, {"last", merge.last},     {"tree", merge.tree}};
}

Json to_json(const Picture& picture, const Picture::Node& node) {
  Json out = {{"id", node.id}, {"kind", to_string(node.kind)}, {"text", node.text}};
  if (node.cluster >= 0) out["cluster"] = picture.clusters[size_t(node.cluster)].id;
  put(out, "groups", node.groups);
  put(out, "layer", node.layer);
  put(out, "type", node.type);
  put(out, "file", node.file);
  put(out, "line", node.line);
  put(out, "column", node.column);
  put(out, "via", node.via);
  if (!node.arguments.empty()) out["arguments"] = pairs(node.arguments);
  put(out, "inputs", node.inputs);
  put(out, "outputs", node.outputs);
  put(out, "parameters", node.parameters);
  put(out, "bytes", node.bytes);
  put(out, "flops", node.flops);
  put(out, "replica", node.replica, -1);
  put(out, "device", node.device, -1);
  put(out, "backward", node.backward);
  put(out, "callbacks", node.callbacks);
  if (node.merge) out["merge"] = to_json(*node.merge);
  put(out, "time", node.time);
  return out;
}

Json to_json(const Picture& picture, const Picture::Cluster& cluster) {
  Json out = {{"id", cluster.id}, {"text", cluster.text}};
  if (cluster.parent >= 0) out["parent"] = picture.clusters[size_t(cluster.parent)].id;
  put(out, "path", cluster.path);
  put(out, "type", cluster.type);
  put(out, "callback", cluster.callback);
  return out;
}

Json to_json(const Picture& picture) {
  Json out = {{"view", to_string(picture.view)}, {"title", picture.title}};
  put(out, "replicas", picture.replicas);
  put(out, "devices", picture.devices);
  for (const char* list : {"clusters", "nodes", "edges", "types"}) out[list] = Json::array();
  for (auto& cluster : picture.clusters) out["clusters"].push_back(to_json(picture, cluster));
  for (auto& node : picture.nodes) out["nodes"].push_back(to_json(picture, node));
  for (auto& edge : picture.edges) {
    Json one = {{"from", picture.nodes[size_t(edge.from)].id},
                {"to", picture.nodes[size_t(edge.to)].id}};
    put(one, "text", edge.text);
    put(one, "sync", edge.sync);
    out["edges"].push_back(std::move(one));
  }
  for (auto& [type, doc, formula] : picture.types) {
    Json one = {{"type", type}, {"doc", doc}};
    put(one, "formula", formula);
    out["types"].push_back(std::move(one));
  }
  return out;
}

}  // namespace

std::string to_json(const std::vector<Picture>& pictures) {
  Json list = Json::array();
  for (auto& picture : pictures) list.push_back(to_json(picture));
  const Json all = {{"braid-graph", graph_version}, {"pictures", std::move(list)}};
  // Names that are no UTF-8 lose the bytes that are none.
  return all.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace braid
