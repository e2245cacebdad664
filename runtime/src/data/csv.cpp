// Tables of numbers as text: one sample per line.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <braid/core/error.h>

#include "data/readers.h"
#include "posix/input_file.h"

namespace braid {

namespace {

struct Field {
  std::string_view text;
  size_t begin;  ///< where it stands in its line
};

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// Cuts a line at its delimiters, but not within double quotes, which are dropped.
void split(std::string_view line, char delimiter, std::vector<Field>& out) {
  out.clear();
  size_t begin = 0;
  bool quoted = false;
  for (size_t i = 0; i <= line.size(); ++i) {
    if (i < line.size() && line[i] == '"') quoted = !quoted;
    if (i < line.size() && (quoted || line[i] != delimiter)) continue;
    std::string_view text = trimmed(line.substr(begin, i - begin));
    size_t at = text.empty() ? begin : size_t(text.data() - line.data());
    if (text.size() >= 2 && text.front() == '"' && text.back() == '"') {
      text = text.substr(1, text.size() - 2);
    }
    out.push_back({text, at});
    begin = i + 1;
  }
}

template <class T>
std::optional<T> parse(std::string_view text) {
  T value = {};
  const char* end = text.data() + text.size();
  auto [rest, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || error != std::errc() || rest != end) return std::nullopt;
  return value;
}

class Reader {
 public:
  Reader(const std::string& path, const SourceSpec& spec, std::span<const InputDecl> inputs)
      : spec_(spec), inputs_(inputs), source_{path} {
    for (const FillSpec& fill : spec.fills) {
      if (!fill.law) fills_.push_back(&fill);
    }
    load(path);
  }

  std::vector<Column> read() {
    std::string_view rest = text_;
    if (rest.starts_with("\xef\xbb\xbf")) rest.remove_prefix(3);
    while (!rest.empty()) {
      size_t end = std::min(rest.find('\n'), rest.size());
      ++line_;
      current_ = rest.substr(0, end);
      if (current_.ends_with('\r')) current_.remove_suffix(1);
      if (!trimmed(current_).empty()) take_line();
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    for (Column& column : columns_) column.samples = samples_;
    if (samples_ == 0) {
      throw Error(Fault::data, "E0343", fmt::format("'{}' has no samples", source_.name),
                  spec_.path_mark);
    }
    return std::move(columns_);
  }

 private:
  void load(const std::string& path) {
    posix::InputFile file(path, spec_.path_mark);
    text_.resize(size_t(file.size()));
    file.read(0, std::as_writable_bytes(std::span(text_)));
  }

  /// At a place of the table, with the line under the message; where the path was typed goes along.
  [[noreturn]] void refuse(size_t at, size_t length, const std::string& why) const {
    auto shown = std::make_shared<Source>(source_);
    // Marks count lines of the whole text; to keep a large table out of the message, only the
    // line is kept, behind as many line ends as it takes.
    shown->text = std::string(size_t(line_ - 1), '\n') + std::string(current_);
    Mark mark{shown, line_, int(at) + 1, int(std::max<size_t>(length, 1))};
    Error error(Fault::data, "E0345", why, mark);
    if (spec_.path_mark) error.first().note(spec_.path_mark, "read from here");
    throw Error(Fault::data, {error.first()});
  }

  void take_line() {
    split(current_, spec_.delimiter, row_);
    if (fields_in_a_row_ == 0) {
      fields_in_a_row_ = row_.size();
      prepare();
      if (spec_.header) return;
    }
    if (row_.size() != fields_in_a_row_) {
      refuse(0, current_.size(),
             fmt::format("this line has {} fields, the first one has {}", row_.size(),
                         fields_in_a_row_));
    }
    for (size_t f = 0; f < fills_.size(); ++f) {
      for (size_t column : picked_[f]) take_field(row_[column], fills_[f]->affine, columns_[f]);
    }
    ++samples_;
  }

  void take_field(const Field& field, const Affine& affine, Column& column) const {
    if (affine.identity()) {
      if (auto whole = parse<int64_t>(field.text))
        return check(append(column, *whole), field, column);
    }
    std::optional<double> number = parse<double>(field.text);
    if (!number || !std::isfinite(*number)) {
      refuse(field.begin, field.text.size(), fmt::format("'{}' is no number", field.text));
    }
    check(append(column, affine(*number)), field, column);
  }

  void check(bool fits, const Field& field, const Column& column) const {
    if (fits) return;
    refuse(field.begin, field.text.size(),
           fmt::format("'{}' is no {}", field.text, to_string(column.dtype)));
  }

  /// With the first line at hand: which fields go to which input.
  void prepare() {
    for (const FillSpec* fill : fills_) {
      const InputDecl& input = inputs_[fill->input];
      std::vector<size_t>& picked = picked_.emplace_back();
      for (const ColumnName& name : fill->columns) picked.push_back(find_column(name, *fill));
      if (int64_t(picked.size()) != input.type.elements(1)) {
        throw Error(
            Fault::data, "E0341",
            fmt::format("{} columns cannot fill input '{}', {} with {} values per sample",
                        picked.size(), input.name, to_string(input.type), input.type.elements(1)),
            fill->columns_mark);
      }
      columns_.push_back(
          {.dtype = input.type.dtype, .elements = input.type.elements(1), .file = source_.name});
    }
  }

  size_t find_column(const ColumnName& name, const FillSpec& fill) const {
    if (name.number >= 0 && size_t(name.number) < row_.size()) return size_t(name.number);
    std::vector<std::string> titles;
    for (const Field& field : row_) titles.emplace_back(field.text);
    auto found = std::find(titles.begin(), titles.end(), name.title);
    bool named = name.number < 0 && spec_.header;
    if (named && found != titles.end()) return size_t(found - titles.begin());
    std::string what = name.number < 0 ? "'" + name.title + "'" : std::to_string(name.number);
    std::string hint = named ? did_you_mean(name.title, titles) : "";
    Error error(Fault::data, "E0341",
                fmt::format("'{}' has no column {}{}; it has {} columns, counted from 0",
                            source_.name, what, hint, row_.size()),
                fill.columns_mark);
    if (name.number < 0 && !spec_.header) error.first().help("titles need `header: true`");
    throw Error(Fault::data, {error.first()});
  }

  const SourceSpec& spec_;
  std::span<const InputDecl> inputs_;
  Source source_;
  std::vector<const FillSpec*> fills_;
  std::string text_;
  std::string_view current_;
  int line_ = 0;
  std::vector<Field> row_;
  size_t fields_in_a_row_ = 0;  ///< 0 = the first line is still to come
  std::vector<std::vector<size_t>> picked_;
  std::vector<Column> columns_;
  int64_t samples_ = 0;
};

}  // namespace

std::vector<Column> read_csv(const std::string& path, const SourceSpec& spec,
                             std::span<const InputDecl> inputs) {
  return Reader(path, spec, inputs).read();
}

}  // namespace braid
