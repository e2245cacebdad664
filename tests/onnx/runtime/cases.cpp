// Writes what ONNX Runtime is to agree with: networks as ONNX, inputs, and Braid's own outputs.
//   onnx_cases FOLDER NETWORK.yaml ...
// Layer samples of the registry first, in opset 17 and 13; then the networks, as they are and with
// their batch norms folded. FOLDER/cases.json lists all.
#include <braid/dsl/read.h>
#include <braid/onnx/export.h>
#include <braid/runtime/fold.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "onnx/samples.h"

namespace braid::test {
namespace {

using Json = nlohmann::json;
using Arrays = std::map<std::string, Array>;

class Cases {
 public:
  explicit Cases(std::string folder) : folder_(std::move(folder)) {
    std::filesystem::create_directories(folder_);
  }

  void layer(const LayerDef& def, size_t index, int opset) {
    const Sample& sample = def.samples[index];
    const Model model = network_of(def, sample);
    Session session(model);
    Arrays weights = session.weights();
    randomize(weights, 0.5, 7);
    session.set_weights(weights);
    add(def.name + " " + std::to_string(index) + " opset " + std::to_string(opset), "layer",
        session, opset, sample.classes, sample.positive);
  }

  void network(const std::string& path) {
    Session session = Session::open(path);
    const auto own = std::filesystem::path(path).parent_path() / "weights.safetensors";
    const bool settled = std::filesystem::exists(own);
    if (settled) session.load_weights(own);
    const auto name = session.model().name;
    Arrays weights = session.weights();
    Arrays statistics;
    for (auto& [key, array] : weights)
      if (!settled && key.find(".running_") != std::string::npos) statistics.emplace(key, array);
    randomize(statistics, 0.1, 11);
    for (auto& [key, array] : statistics) weights.at(key) = array;
    session.set_weights(weights);
    add(name, "network", session, 17, 10, false);
    auto folded = fold_batch_norms(session);
    if (!folded.report.folds.empty())
      add(name + " folded", "network", folded.session, 17, 10, false);
  }

  void write() { std::ofstream(folder_ + "/cases.json") << list_.dump(); }

 private:
  void add(const std::string& name, const char* kind, Session& session, int opset, int64_t classes,
           bool positive) {
    Json one = {{"name", name}, {"kind", kind}, {"runs", Json::array()}};
    try {
      const auto bytes =
          to_onnx(session.model(), session.weights(), session.registry(), {.opset = opset});
      one["model"] = file("onnx");
      std::ofstream(folder_ + "/" + one["model"].get<std::string>(), std::ios::binary) << bytes;
      for (int64_t batch : {3, 8}) one["runs"].push_back(run(session, batch, classes, positive));
    } catch (const Error& e) {
      one["error"] = render(e.diagnostics()[0]);
    } catch (const std::exception& e) {
      one["error"] = e.what();
    }
    list_.push_back(std::move(one));
  }

  Json run(Session& session, int64_t batch, int64_t classes, bool positive) {
    Model model = session.model();
    Arrays inputs;
    uint64_t key = 100 * uint64_t(batch);
    for (auto& input : model.inputs) {
      Type type = input.type;
      for (auto& dim : type.shape)
        if (dim.is_free()) dim = Dim(5 + batch);
      inputs[input.name] = drawn(type, batch, classes, positive, ++key);
      if (type.dtype == DType::boolean)  // a padding that hides all is none
        for (size_t i = 0; i < inputs[input.name].bytes.size(); i += 2)
          inputs[input.name].bytes[i] = std::byte(0);
    }
    Json one = {{"inputs", Json::array()}, {"outputs", Json::array()}};
    for (auto& [name, array] : inputs) one["inputs"].push_back(written(name, array));
    for (auto& [name, array] : session.run(inputs)) one["outputs"].push_back(written(name, array));
    return one;
  }

  Json written(const std::string& name, const Array& array) {
    const auto path = file("bin");
    std::ofstream(folder_ + "/" + path, std::ios::binary)
        .write(reinterpret_cast<const char*>(array.bytes.data()),
               std::streamsize(array.bytes.size()));
    return {{"name", name},
            {"dtype", std::string(to_string(array.dtype))},
            {"dims", array.dims},
            {"file", path}};
  }

  std::string file(const char* end) { return std::to_string(files_++) + "." + end; }

  std::string folder_;
  int files_ = 0;
  Json list_ = Json::array();
};

}  // namespace
}  // namespace braid::test

int main(int argc, char** argv) {
  using namespace braid;
  if (argc < 2) return 2;
  try {
    test::Cases cases(argv[1]);
    for (auto& name : test::builtin().layers(Role::layer)) {
      if (name == "Callback") continue;  // a function of the program
      const LayerDef& def = *test::builtin().layer(name);
      for (size_t i = 0; i < def.samples.size(); ++i)
        for (int opset : {17, 13}) cases.layer(def, i, opset);
    }
    for (int i = 2; i < argc; ++i) cases.network(argv[i]);
    cases.write();
  } catch (const std::exception& e) {
    std::cerr << e.what() << "\n";
    return 1;
  }
  return 0;
}
