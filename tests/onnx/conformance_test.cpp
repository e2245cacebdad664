// The cases that ONNX itself brings for its operators (Debian: libonnx-testdata): imported, run,
// compared. What import does not cover is counted; nothing that it covers may differ.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

#include "onnx/import_support.h"
#include "onnx/training_cases.h"

namespace braid::test {
namespace {

namespace fs = std::filesystem;

const fs::path data = "/usr/share/libonnx-testdata/data";
constexpr double tolerance = 2e-5;

struct Row {
  int passed = 0, uncovered = 0;
  std::set<std::string> why;
};

class Runner {
 public:
  std::map<std::string, Row> rows;
  std::vector<std::string> failures;

  void run(const fs::path& folder) {
    onnx::ModelProto model;
    if (!model.ParseFromString(bytes_of_file(folder / "model.onnx"))) return;
    Row& row = rows[operator_of(model, folder)];
    try {
      if (run_training_case(model, folder / "test_data_set_0")) return void(++row.passed);
      std::string reason;
      if (draws(model, folder / "test_data_set_0")) return void(++row.uncovered);
      for (bool batched : {true, false})
        for (int form = 0; form < 3; ++form)
          if (attempt(model, folder, form, batched, reason)) return void(++row.passed);
      ++row.uncovered;
      row.why.insert(reason);
      if (std::getenv("BRAID_VERBOSE")) std::cout << folder.filename() << ": " << reason << "\n";
    } catch (const std::exception& e) {
      failures.push_back(folder.filename().string() + ": " + e.what());
    }
  }

 private:
  static std::string operator_of(const onnx::ModelProto& model, const fs::path& folder) {
    if (folder.parent_path().filename() != "node") return folder.parent_path().filename().string();
    if (folder.filename().string().ends_with("_expanded")) return "functions, expanded";
    return model.graph().node(0).op_type();
  }

  /// A Dropout in training, whose numbers are another generator's.
  static bool draws(const onnx::ModelProto& model, const fs::path& set) {
    auto& node = model.graph().node(0);
    if (node.op_type() != "Dropout" || node.input_size() < 3) return false;
    return node.input(1).empty() || array_of(tensor(set / "input_1.pb")).as<float>()[0] != 0;
  }

  static onnx::TensorProto tensor(const fs::path& path) {
    onnx::TensorProto tensor;
    if (!tensor.ParseFromString(bytes_of_file(path))) throw std::runtime_error("no tensor");
    if (tensor.data_type() == onnx::TensorProto::DOUBLE) round(tensor);
    return tensor;
  }

  /// Braid computes in f32: cases in f64 are run in it.
  static void round(onnx::TensorProto& tensor) {
    const std::string raw = tensor.raw_data();
    for (size_t at = 0; at < raw.size(); at += sizeof(double)) {
      double number = 0;
      std::memcpy(&number, raw.data() + at, sizeof number);
      tensor.add_float_data(float(number));
    }
    for (double number : tensor.double_data()) tensor.add_float_data(float(number));
    tensor.clear_raw_data();
    tensor.clear_double_data();
    tensor.set_data_type(onnx::TensorProto::FLOAT);
  }

  static void round(onnx::GraphProto& graph) {
    for (auto* values : {graph.mutable_input(), graph.mutable_output(), graph.mutable_value_info()})
      for (auto& value : *values)
        if (value.type().tensor_type().elem_type() == onnx::TensorProto::DOUBLE)
          value.mutable_type()->mutable_tensor_type()->set_elem_type(onnx::TensorProto::FLOAT);
    for (auto& each : *graph.mutable_initializer())
      if (each.data_type() == onnx::TensorProto::DOUBLE) round(each);
  }

  /// Cases give weights as inputs: form 1 makes all inputs but the first initializers, form 2 the
  /// first one.
  bool attempt(onnx::ModelProto model, const fs::path& folder, int form, bool batched,
               std::string& reason) {
    auto& graph = *model.mutable_graph();
    round(graph);
    const fs::path set = folder / "test_data_set_0";
    std::set<std::string> initialized;
    for (auto& each : graph.initializer()) initialized.insert(each.name());
    std::map<std::string, fs::path> files;
    int index = 0;
    for (auto& input : graph.input()) {
      if (initialized.contains(input.name())) continue;
      files[input.name()] = set / ("input_" + std::to_string(index) + ".pb");
      if (form && (form == 1) == (index > 0) && input.type().has_tensor_type()) {
        auto& made = *graph.add_initializer();
        made = tensor(files[input.name()]);
        made.set_name(input.name());
      }
      ++index;
    }
    Imported net;
    try {
      net = from_onnx_bytes(model.SerializeAsString(), builtin(), {.batched = batched});
    } catch (const Error& e) {
      if (e.diagnostics()[0].code != "E0372") throw;
      if (reason.empty() || reason.find("not known before") != reason.npos) reason = reason_of(e);
      return false;
    }
    compare(net, files, set);
    return true;
  }

  static std::string reason_of(const Error& e) {
    const std::string text = e.diagnostics()[0].message;
    const auto at = text.find("is not covered: ");
    return at == text.npos ? text : text.substr(at + 16);
  }

  static void compare(const Imported& net, const std::map<std::string, fs::path>& files,
                      const fs::path& set) {
    Session session = open_imported(net);
    std::map<std::string, Array> inputs;
    for (auto& [theirs, ours] : net.inputs) inputs[ours] = array_of(tensor(files.at(theirs)));
    const auto outputs = session.run(fed(session, inputs));
    for (size_t k = 0; k < net.outputs.size(); ++k) {
      const auto path = set / ("output_" + std::to_string(k) + ".pb");
      const Array expected = array_of(tensor(path));
      const Array& made = outputs.at(net.outputs[k].second);
      const double off = distance(made, expected);
      if (!(off <= tolerance))
        throw std::runtime_error("output " + std::to_string(k) + " is off by " +
                                 std::to_string(off) + ": " + to_string(made) + " and " +
                                 to_string(expected) + "\n" + net.text);
    }
  }
};

std::string table_of(const Runner& runner) {
  std::string text = "| operator | passed | not covered |\n| --- | --- | --- |\n";
  int passed = 0, uncovered = 0;
  for (auto& [name, row] : runner.rows) {
    passed += row.passed, uncovered += row.uncovered;
    if (row.passed)
      text += "| `" + name + "` | " + std::to_string(row.passed) + " | " +
              std::to_string(row.uncovered) + " |\n";
  }
  std::string none;
  for (auto& [name, row] : runner.rows)
    if (!row.passed) none += (none.empty() ? "" : ", ") + name;
  return text + "\n" + std::to_string(passed) + " cases pass, " + std::to_string(uncovered) +
         " are not covered, none differs. Operators without a case that passes: " + none + ".\n";
}

TEST(Conformance, CasesOfOnnxPassOrAreNotCovered) {
  if (!fs::exists(data)) GTEST_SKIP() << "Debian's libonnx-testdata is not installed";
  Runner runner;
  for (const char* kind : {"node", "pytorch-converted", "pytorch-operator"})
    for (auto& entry : fs::directory_iterator(data / kind)) runner.run(entry.path());
  for (auto& failure : runner.failures) ADD_FAILURE() << failure;
  const std::string path = std::string(BRAID_SOURCE_DIR) + "/docs/onnx.md";
  std::string page = bytes_of_file(path);
  const std::string begin = "<!-- conformance -->\n", end = "<!-- end -->";
  const auto from = page.find(begin), to = page.find(end);
  ASSERT_TRUE(from != page.npos && to != page.npos);
  const std::string table = table_of(runner);
  const auto first = from + begin.size();
  if (std::getenv("BRAID_UPDATE"))
    std::ofstream(path) << page.replace(first, to - first, table);
  else
    EXPECT_EQ(page.substr(first, to - first), table) << "BRAID_UPDATE=1 writes the table anew";
}

}  // namespace
}  // namespace braid::test
