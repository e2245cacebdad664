// Sinks: lines of JSON, an array, pictures, nothing. What they have written is whole at any time,
// so that a run that ends early leaves what came before.
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <limits>
#include <memory>
#include <mutex>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <braid/runtime/files.h>
#include <braid/runtime/pictures.h>

#include "files/npy_format.h"
#include "pipeline/builtin.h"

namespace braid::builtin {
namespace {

using Json = nlohmann::ordered_json;

/// A file that grows; "-" is stdout.
class GrowingFile {
 public:
  explicit GrowingFile(std::string path) : path_(std::move(path)) {
    if (path_ == "-") {
      fd_ = STDOUT_FILENO;
      return;
    }
    fd_ = ::open(path_.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0666);
    if (fd_ < 0) fail();
  }
  ~GrowingFile() {
    if (fd_ >= 0 && fd_ != STDOUT_FILENO) ::close(fd_);
  }
  GrowingFile(const GrowingFile&) = delete;
  GrowingFile& operator=(const GrowingFile&) = delete;

  void append(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) fail();
      bytes.remove_prefix(size_t(written));
    }
  }

  void put(std::string_view bytes, int64_t at) {
    if (::pwrite(fd_, bytes.data(), bytes.size(), at) != ssize_t(bytes.size())) fail();
  }

 private:
  [[noreturn]] void fail() const {
    throw Error(Fault::output, "E0601",
                fmt::format("cannot write '{}': {}", path_, std::strerror(errno)));
  }

  std::string path_;
  int fd_ = -1;
};

Json number(double value, DType dtype) {
  if (dtype == DType::boolean) return value != 0;
  if (dtype == DType::f32 || dtype == DType::f64) return value;
  return int64_t(value);
}

Json nested(const std::vector<double>& values, const Array& of, size_t dim, size_t& at) {
  if (dim == of.dims.size()) return number(values[at++], of.dtype);
  Json list = Json::array();
  for (int64_t i = 0; i < of.dims[dim]; ++i) list.push_back(nested(values, of, dim + 1, at));
  return list;
}

Json json_of(const Record& item, const std::string& name) {
  const Array& value = field(item, name);
  if (is_text(value)) return text_of(value);
  if (value.dtype == DType::i64 && value.dims.empty()) return value.as<int64_t>()[0];
  size_t at = 0;
  return nested(numbers_of(item, name), value, 0, at);
}

/// A line for each item. Without `fields` it has those of at most one dimension.
class JsonLines {
 public:
  JsonLines(const std::string& path, const Dict& params) : file_(path) {
    if (const Attr* fields = find(params, "fields"); fields && fields->is<Attr::List>())
      for (const Attr& name : fields->as_list()) fields_.push_back(name.as_text());
  }

  void write(const Record& item) {
    Json object = Json::object();
    for (auto& name : fields_) object[name] = json_of(item, name);
    if (fields_.empty())
      for (auto& [name, value] : item)
        if (value.dims.size() <= 1) object[name] = json_of(item, name);
    const std::string line = object.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    std::lock_guard lock(mutex_);
    file_.append(line);
  }

 private:
  GrowingFile file_;
  std::vector<std::string> fields_;
  std::mutex mutex_;
};

/// One field of all items as one array; its header, of fixed size, is true after each of them.
class NpyRows {
 public:
  NpyRows(const std::string& path, const Dict& params)
      : file_(path), field_(get_text(params, "field")) {}

  void write(const Record& item) {
    const Array& row = field(item, field_);
    std::lock_guard lock(mutex_);
    if (rows_ == 0) {
      if (row.dtype == DType::bf16) refuse(item, field_, "a dtype that NumPy has");
      like_ = Array{row.dtype, row.dims, {}};
    }
    if (row.dtype != like_.dtype || row.dims != like_.dims)
      refuse(item, field_, to_string(like_) + " as in the items before");
    if (rows_ == 0) file_.append(header(0));
    file_.append({reinterpret_cast<const char*>(row.bytes.data()), row.bytes.size()});
    file_.put(header(++rows_), 0);
  }

 private:
  /// As long for any number of rows.
  std::string header(int64_t rows) const {
    std::vector<int64_t> dims = like_.dims;
    dims.insert(dims.begin(), std::numeric_limits<int64_t>::max());
    const size_t length = npy_header(like_.dtype, dims).size();
    dims[0] = rows;
    return npy_header(like_.dtype, dims, length);
  }

  GrowingFile file_;
  std::string field_;
  std::mutex mutex_;
  Array like_;
  int64_t rows_ = 0;
};

/// A PNG for each item, by the name of the file that it was made of, else by its number.
class PictureFiles {
 public:
  PictureFiles(std::string folder, const Dict& params)
      : folder_(std::move(folder)), field_(get_text(params, "field")) {
    make_writable(folder_);
  }

  void write(const Record& item) {
    Array one = field(item, field_);
    one.dims.insert(one.dims.begin(), 1);
    write_pictures((std::filesystem::path(folder_) / (name_of(item) + ".png")).string(), one);
  }

 private:
  static std::string name_of(const Record& item) {
    auto file = item.find("file");
    if (file == item.end() || !is_text(file->second))
      return fmt::format("{:06}", field(item, "index").as<int64_t>()[0]);
    // The name only: whatever an item says, nothing is written elsewhere.
    return std::filesystem::path(text_of(file->second)).stem().string();
  }

  std::string folder_, field_;
};

/// One sink for all threads of a stage.
template <class Sink>
auto shared_sink(const std::string& path, const Dict& params) {
  return [sink = std::make_shared<Sink>(path, params)](const Record& item) { sink->write(item); };
}

}  // namespace

void add_sinks(Stages& stages, const SharedModel& model) {
  auto path = [model](const Dict& params, const char* key) {
    const std::string typed = get_text(params, key);
    return typed == "-" ? typed : path_in(*model, typed);
  };
  const ParamDef file = text_param("file", "is replaced");
  stages.sink("jsonl", with_params({text_param("file", "is replaced; - is stdout"),
                                    {.name = "fields",
                                     .kind = ParamKind::any,
                                     .doc = "default: all of at most one dimension",
                                     .optional = true}},
                                   [path](const Dict& params) {
                                     return shared_sink<JsonLines>(path(params, "file"), params);
                                   }));
  stages.sink("npy",
              with_params({file, text_param("field", "what a row is")}, [path](const Dict& params) {
                return shared_sink<NpyRows>(path(params, "file"), params);
              }));
  stages.sink("images", with_params({text_param("folder", "is made where it is missing"),
                                     text_param("field", "the picture", "image")},
                                    [path](const Dict& params) {
                                      return shared_sink<PictureFiles>(path(params, "folder"),
                                                                       params);
                                    }));
  stages.sink("count", [](const Record&) {});
}

}  // namespace braid::builtin
