// `braid import MODEL.onnx -o NET.yaml`: an ONNX file as a network and its weights.
#include <braid/nodes/builtin.h>
#include <braid/onnx/import.h>
#include <braid/runtime/files.h>
#include <braid/runtime/safetensors.h>

#include <filesystem>

#include "commands.h"
#include "json.h"
#include "output.h"

namespace braid::cli {
namespace {

namespace fs = std::filesystem;

/// As the network file, which stands in `folder`, says it.
std::string said(const fs::path& path, const fs::path& folder) {
  const auto near = path.lexically_proximate(folder.empty() ? "." : folder);
  return near.empty() ? path.string() : near.string();
}

}  // namespace

int import_command(const Arguments& a) {
  const fs::path out = a.out;
  const fs::path weights =
      a.weights.empty() ? fs::path(out).replace_extension(".safetensors") : fs::path(a.weights);
  Registry registry;
  register_builtin(registry);
  const Imported net = from_onnx(a.target, registry, {.weights = said(weights, out.parent_path())});
  int64_t elements = 0;
  for (auto& [key, array] : net.weights) elements += array.elements();
  if (!net.weights.empty()) write_safetensors(weights.string(), {.tensors = net.weights});
  write_file(out.string(), net.text);
  if (a.json) {
    print(line(Json{{"path", a.out},
                    {"weights", net.weights.empty() ? Json() : Json(weights.string())},
                    {"opset", net.opset},
                    {"layers", net.layers},
                    {"tensors", net.weights.size()}}));
    return 0;
  }
  print(a.out + "  " + std::to_string(net.layers) + " layers of opset " +
        std::to_string(net.opset) + "\n");
  if (!net.weights.empty())
    print(weights.string() + "  " + std::to_string(net.weights.size()) + " tensors, " +
          grouped(elements) + " numbers\n");
  return 0;
}

}  // namespace braid::cli
