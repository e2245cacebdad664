// `braid check NET`: what was understood, in a table.
#include "commands.h"
#include "json.h"
#include "network.h"
#include "output.h"

namespace braid::cli {
namespace {

Json as_json(const Summary& summary) {
  Json layers = Json::array();
  for (auto& l : summary.layers)
    layers.push_back({{"name", l.name},
                      {"type", l.type},
                      {"file", l.file},
                      {"line", l.line},
                      {"shape", to_json(l.shape)},
                      {"parameters", l.parameters}});
  return {{"name", summary.name},
          {"parameters", summary.parameters},
          {"buffers", summary.buffers},
          {"flops", summary.flops},
          {"layers", layers}};
}

std::string as_text(const Summary& summary) {
  Table table({"layer", "type", "output", "parameters", "FLOPs"}, "lllrr");
  for (auto& l : summary.layers)
    table.row({l.name, l.type, to_string(l.shape), l.parameters ? grouped(l.parameters) : "",
               l.flops ? grouped(l.flops) : ""});
  return table.text() + "\n" + summary.name + ": " + grouped(summary.parameters) + " parameters, " +
         grouped(summary.buffers) + " elements in buffers, " + grouped(summary.flops) +
         " FLOPs forward for one sample\n";
}

}  // namespace

int check_command(const Arguments& a) {
  Summary summary = load_network(a).summary;
  print(a.json ? line(as_json(summary)) : as_text(summary));
  return 0;
}

}  // namespace braid::cli
