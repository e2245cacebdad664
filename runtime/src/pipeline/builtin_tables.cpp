// Sources of lines: tables with a line of titles, and JSON, an object a line.
#include <charconv>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "pipeline/builtin.h"
#include "pipeline/line_file.h"

namespace braid::builtin {
namespace {

using Json = nlohmann::json;

Array value_of(const std::string& cell) {
  const char *begin = cell.data(), *end = begin + cell.size();
  int64_t whole = 0;
  if (auto read = std::from_chars(begin, end, whole); read.ec == std::errc{} && read.ptr == end)
    return single(whole);
  float real = 0;
  if (auto read = std::from_chars(begin, end, real); read.ec == std::errc{} && read.ptr == end)
    return single(real);
  return text(cell);
}

/// Cells between commas; those in quotes may hold commas, and quotes that are doubled.
std::vector<std::string> cells_of(const std::string& line, const LineFile& file) {
  std::vector<std::string> cells(1);
  bool quoted = false;
  for (size_t i = 0; i < line.size(); ++i) {
    const bool doubled = quoted && line[i] == '"' && i + 1 < line.size() && line[i + 1] == '"';
    if (doubled)
      cells.back() += line[i++];
    else if (line[i] == '"' && (quoted || cells.back().empty()))
      quoted = !quoted;
    else if (line[i] == ',' && !quoted)
      cells.emplace_back();
    else
      cells.back() += line[i];
  }
  if (quoted) file.refuse("a quote is not closed");
  return cells;
}

class Table {
 public:
  explicit Table(const std::string& path) : file_(path) {}

  std::optional<Record> operator()(const std::stop_token& stop) {
    std::string line;
    if (titles_.empty() && file_.next(line, stop)) titles_ = cells_of(line, file_);
    if (!file_.next(line, stop)) return {};
    auto cells = cells_of(line, file_);
    if (cells.size() != titles_.size())
      file_.refuse(
          fmt::format("it has {} cells, the line of titles {}", cells.size(), titles_.size()));
    Record item;
    for (size_t i = 0; i < cells.size(); ++i) item[titles_[i]] = value_of(cells[i]);
    return item;
  }

 private:
  LineFile file_;
  std::vector<std::string> titles_;
};

class Objects {
 public:
  explicit Objects(const std::string& path) : file_(path) {}

  std::optional<Record> operator()(const std::stop_token& stop) {
    std::string line;
    if (!file_.next(line, stop)) return {};
    const Json object = Json::parse(line, nullptr, false);
    if (!object.is_object()) file_.refuse("this is no JSON object");
    Record item;
    for (auto& [name, value] : object.items())
      if (!value.is_null()) item[name] = of(value, name);
    return item;
  }

 private:
  Array of(const Json& value, const std::string& name) const {
    if (value.is_string()) return text(value.get_ref<const std::string&>());
    if (value.is_boolean()) return single(value.get<bool>());
    if (value.is_number_integer()) return single(value.get<int64_t>());
    if (value.is_number()) return single(value.get<float>());
    std::vector<int64_t> dims;
    for (const Json* at = &value; at->is_array(); at = &at->front()) {
      dims.push_back(int64_t(at->size()));
      if (at->empty() || dims.size() > 16) break;
    }
    std::vector<float> numbers;
    collect(value, dims, 0, name, numbers);
    return Array::of<float>(dims, numbers);
  }

  void collect(const Json& value, const std::vector<int64_t>& dims, size_t depth,
               const std::string& name, std::vector<float>& numbers) const {
    if (depth == dims.size()) {
      if (!value.is_number()) file_.refuse(fmt::format("'{}' is no array of numbers", name));
      numbers.push_back(value.get<float>());
      return;
    }
    if (!value.is_array() || int64_t(value.size()) != dims[depth])
      file_.refuse(fmt::format("'{}' is no array of numbers", name));
    for (auto& item : value) collect(item, dims, depth + 1, name, numbers);
  }

  LineFile file_;
};

}  // namespace

void add_tables(Stages& stages, const SharedModel& model) {
  auto path = [model](const Dict& params) {
    const std::string typed = get_text(params, "file");
    return typed == "-" ? typed : path_in(*model, typed);
  };
  stages.source("csv", with_params({text_param("file", "with a line of titles; - is stdin")},
                                   [path](const Dict& params) { return Table(path(params)); }));
  stages.source("jsonl", with_params({text_param("file", "an object a line; - is stdin")},
                                     [path](const Dict& params) { return Objects(path(params)); }));
}

}  // namespace braid::builtin
