// `braid export NET --weights W -o FILE.onnx`: a network in eval mode as ONNX.
#include <braid/onnx/export.h>

#include "commands.h"
#include "json.h"
#include "network.h"
#include "output.h"

namespace braid::cli {

int export_command(const Arguments& a) {
  std::vector<std::string> wanted;
  for (auto& [name, path] : a.outputs) wanted.push_back(name);
  auto [session, fold] = open_inference(a, wanted);
  export_onnx(session.model(), session.weights(), session.registry(), a.out,
              {.opset = a.opset, .outputs = wanted});
  if (!a.json) {
    print(a.out + "  opset " + std::to_string(a.opset) + "\n");
    return 0;
  }
  Json all = {{"path", a.out}, {"opset", a.opset}};
  if (fold) all["fold"] = to_json(*fold);
  print(line(all));
  return 0;
}

}  // namespace braid::cli
