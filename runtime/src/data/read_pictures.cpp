#include <algorithm>
#include <filesystem>
#include <optional>

#include <fmt/format.h>

#include <braid/core/error.h>
#include <braid/runtime/data.h>
#include <braid/runtime/pictures.h>

#include "data/image_names.h"
#include "data/spec.h"

namespace braid {

namespace fs = std::filesystem;

namespace {

bool has_picture_ending(const std::string& name) {
  std::string ending = fs::path(name).extension().string();
  for (char& c : ending) c = char(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return ending == ".png" || ending == ".jpg" || ending == ".jpeg";
}

std::vector<std::string> split(const std::string& files) {
  std::vector<std::string> names;
  for (size_t begin = 0; begin <= files.size();) {
    size_t end = std::min(files.find(',', begin), files.size());
    names.push_back(files.substr(begin, end - begin));
    begin = end + 1;
  }
  return names;
}

bool is_folder(const std::string& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

std::vector<std::string> paths_of(const std::string& files) {
  if (has_picture_ending(files) && fs::exists(files)) return {files};  // its name may have a comma
  if (!is_folder(files)) return split(files);
  std::vector<std::string> paths;
  for (auto& [stem, path] : find_images({.path = files}, "").named) paths.push_back(path);
  return paths;
}

/// How a source fills this input, if it does so from pictures.
std::optional<SourceSpec> spec_of(const std::optional<TypedDict>& source,
                                  std::span<const InputDecl> inputs, size_t input) {
  Diagnostics ignored;  // who trains or evaluates with it is told
  if (!source) return {};
  SourceSpec spec = read_spec(*source, inputs, ignored);
  bool pictures = spec.kind == SourceKind::images || spec.kind == SourceKind::folder ||
                  spec.kind == SourceKind::idx;
  std::erase_if(spec.fills,
                [&](const FillSpec& f) { return f.input != input || f.law || f.label; });
  if (ignored.has_errors() || !pictures || spec.fills.empty()) return {};
  return spec;
}

SourceSpec spec_for(const Model& model, size_t input) {
  for (const auto& source : {model.test_data, model.train_data}) {
    if (auto spec = spec_of(source, model.inputs, input)) return *spec;
  }
  SourceSpec spec;
  FillSpec fill{.input = input};
  if (is_floating(model.inputs[input].type.dtype)) fill.affine.scale = 1 / 255.0;
  spec.fills.push_back(fill);
  return spec;
}

void check_input(const InputDecl& input) {
  bool floats = input.type.dtype == DType::f16 || input.type.dtype == DType::bf16;
  if (takes_images(input) && !floats) return;
  throw Error(
      Fault::usage, "E0333",
      fmt::format("input '{}' is {}, which no picture fills", input.name, to_string(input.type)))
      .help("pictures fill [N, channels, height, width], gray ones [N, height, width] as well");
}

}  // namespace

bool names_pictures(const std::string& files) {
  std::string last = split(files).back();
  return has_picture_ending(last) || is_folder(files);
}

Array read_pictures(const Model& model, const std::string& input, const std::string& files) {
  std::vector<std::string> names;
  for (const InputDecl& decl : model.inputs) names.push_back(decl.name);
  auto at = std::find(names.begin(), names.end(), input);
  if (at == names.end()) {
    throw Error(Fault::usage, "E0331",
                fmt::format("no input is named '{}'{}", input, did_you_mean(input, names)));
  }
  const size_t index = size_t(at - names.begin());
  const InputDecl& decl = model.inputs[index];
  check_input(decl);
  SourceSpec spec = spec_for(model, index);
  spec.kind = SourceKind::images;
  FillSpec& fill = spec.fills[0];
  fill.path = files;
  fill.path_mark = {};
  fill.files = paths_of(files);
  const DataSource source = open_source(spec, model.inputs);
  std::vector<int64_t> samples(size_t(source.size()));
  for (size_t i = 0; i < samples.size(); ++i) samples[i] = int64_t(i);
  Array array = Array::zeros(decl.type.dtype, decl.type.dims(source.size()));
  source.fill(samples, index, array.bytes.data());
  return array;
}

}  // namespace braid
