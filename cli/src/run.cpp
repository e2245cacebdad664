// `braid run NET --weights W`: a forward pass over arrays and pictures, or over a data source of
// the file.
#include <algorithm>
#include <filesystem>

#include <braid/runtime/files.h>
#include <braid/runtime/pictures.h>

#include "commands.h"
#include "json.h"
#include "network.h"
#include "output.h"
#include "tracing.h"

namespace braid::cli {
namespace {

using Arrays = std::map<std::string, Array>;

std::vector<std::string> wanted(const Arguments& a) {
  std::vector<std::string> names;
  for (auto& [name, path] : a.outputs) names.push_back(name);
  return names;
}

// In training mode running statistics stay as they are: nobody saves them.
RunOptions options(const Arguments& a) {
  return {.mode = a.run_mode == "train" ? Mode::train : Mode::eval};
}

void append(Arrays& all, Arrays part) {
  for (auto& [name, array] : part) {
    auto [entry, fresh] = all.try_emplace(name, std::move(array));
    if (fresh) continue;
    auto& to = entry->second;
    to.bytes.insert(to.bytes.end(), array.bytes.begin(), array.bytes.end());
    to.dims[0] += array.dims[0];
  }
}

// All samples of a source, in its order, batch by batch.
Arrays run_source(Session& session, const Arguments& a) {
  auto& model = session.model();
  auto& declared = a.data == "test" ? model.test_data : model.train_data;
  if (!declared)
    throw Error(Fault::model, "E0704",
                "`--data " + a.data + "` needs `data: {" + a.data + ": ...}`", model.mark);
  auto source = DataSource::open(*declared, model.inputs, model.folder, model.seed);
  int64_t most = model.batch.global > 0 ? model.batch.global : 256;
  BatchPlan batches({.samples = source.size(), .batch = most});
  Arrays all;
  for (int64_t step = 0; step < batches.steps_per_epoch(); ++step) {
    auto samples = batches.batch(step);
    Arrays inputs;
    for (size_t i = 0; i < model.inputs.size(); ++i) {
      if (!source.fills(i)) continue;
      auto& type = model.inputs[i].type;
      auto array = Array::zeros(type.dtype, type.dims(int64_t(samples.size())));
      source.fill(samples, i, array.bytes.data());
      inputs.emplace(model.inputs[i].name, std::move(array));
    }
    append(all, session.run(inputs, wanted(a), options(a)));
  }
  return all;
}

Arrays run_files(Session& session, const Arguments& a) {
  Arrays inputs;
  for (auto& [name, path] : a.inputs) {
    if (inputs.contains(name))
      throw Error(Fault::usage, "E0705", "--input " + name + " is given twice");
    inputs.emplace(
        name, names_pictures(path) ? read_pictures(session.model(), name, path) : read_npy(path));
  }
  return session.run(inputs, wanted(a), options(a));
}

// Output name -> file. With --data and no FILE it is DIR/<name>.npy.
std::string file_for(const Arguments& a, const std::string& name) {
  for (auto& [output, path] : a.outputs)
    if (output == name && !path.empty()) return path;
  auto file = name;
  std::ranges::replace(file, '/', '_');
  return (std::filesystem::path(a.out) / (file + ".npy")).string();
}

// The files that hold it, and all of them as one text.
std::vector<std::string> write(const std::string& path, const Array& array) {
  if (names_pictures(path) && !std::filesystem::is_directory(path))
    return write_pictures(path, array);
  write_npy(path, array);
  return {path};
}

std::string joined(const std::vector<std::string>& paths) {
  return paths.size() < 2 ? paths.front() : paths.front() + " ... " + paths.back();
}

void check_arguments(const Arguments& a) {
  if (!a.data.empty() && !a.inputs.empty())
    throw Error(Fault::usage, "E0705", "--data and --input exclude each other");
  if (a.fold_bn && a.run_mode == "train")
    throw Error(Fault::usage, "E0705", "--fold-bn and --mode train exclude each other")
        .help("a batch norm is folded by its running statistics, which only eval uses");
  bool named = !a.outputs.empty() &&
               std::ranges::none_of(a.outputs, [](auto& o) { return o.second.empty(); });
  if (!named && a.out.empty())
    throw Error(Fault::usage, "E0705", "it is not said where the outputs go")
        .help("--output NAME=FILE.npy or .png, or -o DIR for all declared outputs");
}

}  // namespace

int run_command(const Arguments& a) {
  check_arguments(a);
  auto [session, fold] = open_inference(a, wanted(a));
  if (!a.out.empty()) make_writable(a.out);
  TraceFile trace(a, session);
  auto outputs = a.data.empty() ? run_files(session, a) : run_source(session, a);
  trace.finish();
  Json list = Json::array();
  for (auto& [name, array] : outputs) {
    auto path = file_for(a, name);
    auto paths = write(path, array);
    list.push_back({{"name", name}, {"shape", array.dims}, {"path", paths.front()}});
    if (paths.size() > 1) list.back()["paths"] = paths;
    if (!a.json) print(name + "  " + to_string(array) + "  " + joined(paths) + "\n");
  }
  if (!a.json) return 0;
  Json all = {{"outputs", list}};
  if (fold) all["fold"] = to_json(*fold);
  print(line(all));
  return 0;
}

}  // namespace braid::cli
