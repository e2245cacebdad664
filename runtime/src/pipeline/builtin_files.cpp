// Sources of samples: pictures of a folder, rows of an array, the data of the file itself.
#include <filesystem>

#include <fmt/format.h>

#include <braid/runtime/data.h>
#include <braid/runtime/pictures.h>

#include "data/image_file.h"
#include "data/image_names.h"
#include "pipeline/builtin.h"

namespace braid::builtin {
namespace {

Array without_batch(Array array) {
  array.dims.erase(array.dims.begin());
  return array;
}

/// PNG files in the order of their names.
class Images {
 public:
  Images(SharedModel model, const Dict& params)
      : model_(std::move(model)), as_(text_or_none(params, "as")) {
    const std::string folder = path_in(*model_, get_text(params, "folder"));
    for (auto& [stem, path] : find_images({.path = folder}, "").named) paths_.push_back(path);
  }

  std::optional<Record> operator()() {
    if (next_ == paths_.size()) return {};
    const std::string& path = paths_[next_];
    Record item;
    item["file"] = text(std::filesystem::path(path).filename().string());
    item["index"] = single(int64_t(next_++));
    if (as_.empty())
      item["image"] = bytes_of(path);
    else
      item[as_] = without_batch(read_pictures(*model_, as_, path));
    return item;
  }

 private:
  static Array bytes_of(const std::string& path) {
    const Mark nowhere;
    const ImageFile file(path, nowhere);
    Array pixels = Array::zeros(DType::u8, {file.channels(), file.height(), file.width()});
    file.decode(pixels.bytes);
    return pixels;
  }

  SharedModel model_;
  std::string as_;
  std::vector<std::string> paths_;
  size_t next_ = 0;
};

/// What lies side by side in the first dimension of an array.
class Rows {
 public:
  Rows(const Model& model, const Dict& params)
      : field_(get_text(params, "field")),
        all_(read_npy(path_in(model, get_text(params, "file")))) {
    if (all_.dims.empty())
      throw Error(Fault::data, "E0341",
                  fmt::format("'{}' holds a single value, no rows", get_text(params, "file")));
  }

  std::optional<Record> operator()() {
    if (next_ == all_.dims[0]) return {};
    Array row = Array::zeros(all_.dtype, {all_.dims.begin() + 1, all_.dims.end()});
    const auto from = all_.bytes.begin() + next_ * int64_t(row.bytes.size());
    std::copy_n(from, row.bytes.size(), row.bytes.begin());
    Record item;
    item["index"] = single(next_++);
    item[field_] = std::move(row);
    return item;
  }

 private:
  std::string field_;
  Array all_;
  int64_t next_ = 0;
};

/// The samples of `data.test` or `data.train`, in their order and without randomness.
class Samples {
 public:
  Samples(SharedModel model, const Dict& params)
      : model_(std::move(model)), data_(open(*model_, get_text(params, "split"))) {}

  std::optional<Record> operator()() {
    if (next_ == data_.size()) return {};
    Record item;
    for (size_t i = 0; i < model_->inputs.size(); ++i) {
      if (!data_.fills(i)) continue;
      auto& [name, type, mark] = model_->inputs[i];
      Array value = Array::zeros(type.dtype, type.dims(1));
      data_.fill({&next_, 1}, i, value.bytes.data());
      item[name] = without_batch(std::move(value));
    }
    item["index"] = single(next_++);
    return item;
  }

 private:
  static DataSource open(const Model& model, const std::string& split) {
    auto& declared = split == "train" ? model.train_data : model.test_data;
    if (!declared)
      throw Error(Fault::run, "E0465", fmt::format("the file has no data.{}", split))
          .help(fmt::format("add data: {{{}: ...}}", split));
    return DataSource::open(*declared, model.inputs, model.folder, model.seed);
  }

  SharedModel model_;
  DataSource data_;
  int64_t next_ = 0;
};

}  // namespace

void add_files(Stages& stages, const SharedModel& model) {
  stages.source(
      "images",
      with_params({text_param("folder", "of PNG files"),
                   text_param("as", "an input of the network: read as its data are", {}, true)},
                  [model](const Dict& params) { return Images(model, params); }));
  stages.source("npy", with_params({text_param("file", "a .npy file"),
                                    text_param("field", "what a row is called", "value")},
                                   [model](const Dict& params) { return Rows(*model, params); }));
  stages.source("data",
                with_params({{.name = "split",
                              .kind = ParamKind::choice,
                              .doc = "which of the file's data",
                              .fallback = "test",
                              .choices = {"test", "train"}}},
                            [model](const Dict& params) { return Samples(model, params); }));
}

}  // namespace braid::builtin
