#include <map>

#include <braid/core/error.h>
#include <nlohmann/json.hpp>

#include "sketch.h"

namespace braid {
namespace {

using Json = nlohmann::json;

class Trace {
 public:
  Trace(std::vector<Picture>& pictures, const std::string& name)
      : pictures_(pictures), name_(name) {
    for (auto& picture : pictures_)
      for (size_t i = 0; i < picture.nodes.size(); ++i) enter(picture.view, picture.nodes[i]);
  }

  size_t read(const std::string& text) {
    const Json trace = Json::parse(text, nullptr, false);
    if (trace.is_discarded()) refuse("this is no JSON");
    const bool bare = trace.is_array();
    if (!bare &&
        (!trace.is_object() || !trace.contains("traceEvents") || !trace["traceEvents"].is_array()))
      refuse("there is no list of \"traceEvents\"");
    size_t known = 0;
    for (auto& event : bare ? trace : trace["traceEvents"]) known += add(event);
    return known;
  }

 private:
  [[noreturn]] void refuse(const std::string& why) const {
    throw Error(Fault::data, "E0708", name_ + ": " + why)
        .help(
            "a Chrome trace is expected: {\"traceEvents\": [{\"ph\": \"X\", \"dur\": 12.5, "
            "\"args\": {\"layer\": \"fc1\", \"replica\": 0, \"op\": \"matmul\"}}]}");
  }

  void enter(Picture::View view, Picture::Node& node) {
    node.time = 0;
    if (node.layer.empty()) return;
    if (view != Picture::View::replicas)
      layers_[node.layer].push_back(&node);
    else
      operations_[{node.layer, node.type}].push_back(&node);
  }

  bool add(const Json& event) {
    if (!event.is_object() || !event.contains("args") || !event["args"].is_object()) return false;
    auto& args = event["args"];
    auto word = [](const Json& json, const char* key) {
      auto at = json.find(key);
      return at != json.end() && at->is_string() ? at->get<std::string>() : std::string();
    };
    auto layer = word(args, "layer");
    if (word(event, "ph") != "X" || layer.empty()) return false;
    if (!event.contains("dur") || !event["dur"].is_number() || event["dur"].get<double>() < 0)
      refuse("an event of layer '" + layer + "' has no duration");
    const double duration = event["dur"].get<double>();
    auto replica = args.find("replica");
    const int who =
        replica != args.end() && replica->is_number_integer() ? replica->get<int>() : -1;
    const bool shown = give(layers_.find(layer), layers_.end(), -1, duration);
    const std::pair key{layer, word(args, "op")};
    return give(operations_.find(key), operations_.end(), who, duration) || shown;
  }

  // What is common stands once for each device; its time is shown at the first.
  template <class Iterator>
  static bool give(Iterator found, Iterator end, int replica, double duration) {
    if (found == end) return false;
    bool given = false;
    for (auto* node : found->second) {
      if (node->replica != replica) continue;
      node->time += duration, given = true;
      break;
    }
    return given;
  }

  std::vector<Picture>& pictures_;
  const std::string& name_;
  std::map<std::string, std::vector<Picture::Node*>> layers_;
  std::map<std::pair<std::string, std::string>, std::vector<Picture::Node*>> operations_;
};

}  // namespace

size_t set_times(std::vector<Picture>& pictures, const std::string& trace,
                 const std::string& name) {
  return Trace(pictures, name).read(trace);
}

}  // namespace braid
