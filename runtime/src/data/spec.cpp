#include "data/spec.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <braid/runtime/data.h>

#include "data/augment_spec.h"
#include "data/keys.h"

namespace braid {

namespace {

constexpr std::array<std::pair<std::string_view, SourceKind>, 6> kinds = {
    {{"Idx", SourceKind::idx},
     {"Csv", SourceKind::csv},
     {"Npy", SourceKind::npy},
     {"Images", SourceKind::images},
     {"ImageMask", SourceKind::images},
     {"ImageFolder", SourceKind::folder}}};

// As many columns as anybody's table has, and few enough to be listed.
constexpr int64_t column_limit = 1'000'000;

// Larger pictures than any network takes, and their bytes are countable.
constexpr int64_t largest_resize = 8192;

bool parse_column(std::string_view text, int64_t& out) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() && out >= 0 && out < column_limit;
}

/// `3`, `0..63` (both ends included) or a title.
bool add_columns(const Attr& value, std::vector<ColumnName>& out) {
  if (value.is<int64_t>()) {
    out.push_back({.number = value.as_int()});
    return value.as_int() >= 0;
  }
  if (!value.is<std::string>() || value.as_text().empty()) return false;
  std::string_view text = value.as_text();
  size_t dots = text.find("..");
  int64_t first = 0, last = 0;
  if (dots == std::string_view::npos || !parse_column(text.substr(0, dots), first) ||
      !parse_column(text.substr(dots + 2), last)) {
    out.push_back({.title = std::string(text)});
    return true;
  }
  for (int64_t i = first; i <= last; ++i) out.push_back({.number = i});
  return first <= last;
}

class Reader {
 public:
  Reader(const TypedDict& declared, std::span<const InputDecl> inputs, Diagnostics& found)
      : declared_(declared), inputs_(inputs), found_(found) {}

  SourceSpec read() {
    auto kind = std::find_if(kinds.begin(), kinds.end(),
                             [&](const auto& k) { return k.first == declared_.type; });
    if (kind == kinds.end()) {
      unknown_type(found_, declared_.type_mark, "data source", declared_.type, data_source_types());
      return {};
    }
    spec_.kind = kind->second;
    spec_.mark = declared_.mark;
    Keys keys(declared_.params, declared_.mark, what(), found_);
    spec_.shuffle = keys.flag("shuffle", false);
    if (spec_.kind == SourceKind::csv) read_table(keys);
    if (spec_.kind == SourceKind::folder) read_classes(keys);
    if (pictures()) read_resize(keys);
    for (size_t i = 0; i < inputs_.size(); ++i) {
      if (const Attr* value = keys.get(inputs_[i].name)) read_fill(i, *value, keys);
    }
    if (const Attr* augment = keys.get("augment")) {
      read_augment(*augment, keys, what(), inputs_, spec_, found_);
    }
    keys.finish();
    check_something_is_read();
    if (spec_.kind == SourceKind::folder) check_one_picture();
    return std::move(spec_);
  }

 private:
  std::string what() const { return "data source '" + declared_.type + "'"; }

  void read_table(Keys& keys) {
    spec_.path = keys.text("path", true);
    if (const Attr* path = find(declared_.params, "path")) spec_.path_mark = path->mark;
    spec_.header = keys.flag("header", false);
    const Attr* delimiter = keys.get("delimiter");
    if (!delimiter) return;
    std::string text = delimiter->is<std::string>() ? delimiter->as_text() : "";
    if (text == "tab") text = "\t";
    // Not what numbers and lines are made of.
    constexpr std::string_view taken = "0123456789eE.+-\"\r\n";
    if (text.size() == 1 && taken.find(text[0]) == std::string_view::npos) {
      spec_.delimiter = text[0];
    } else {
      keys.wrong(*delimiter, "delimiter", "one character such as ';', or 'tab'");
    }
  }

  bool pictures() const {
    return spec_.kind == SourceKind::images || spec_.kind == SourceKind::folder;
  }

  void read_classes(Keys& keys) {
    spec_.path = keys.text("folder", true);
    if (const Attr* folder = keys.get("folder")) spec_.path_mark = folder->mark;
    const Attr* classes = keys.get("classes");
    if (!classes) return;
    spec_.classes_mark = classes->mark;
    bool good = classes->is<Attr::List>() && !classes->as_list().empty();
    for (size_t i = 0; good && i < classes->as_list().size(); ++i) {
      const Attr& name = classes->as_list()[i];
      good = name.is<std::string>() && !name.as_text().empty() &&
             std::find(spec_.classes.begin(), spec_.classes.end(), name.as_text()) ==
                 spec_.classes.end();
      if (good) spec_.classes.push_back(name.as_text());
    }
    if (!good) keys.wrong(*classes, "classes", "a list of different names of folders");
  }

  void read_resize(Keys& keys) {
    const Attr* value = keys.get("resize");
    if (!value) return;
    auto side = [](const Attr& v) {
      return v.is<int64_t>() && v.as_int() > 0 && v.as_int() <= largest_resize;
    };
    if (side(*value)) {
      spec_.resize = ResizeSpec{value->as_int(), 0};
    } else if (value->is<Attr::List>() && value->as_list().size() == 2 &&
               side(value->as_list()[0]) && side(value->as_list()[1])) {
      spec_.resize = ResizeSpec{value->as_list()[0].as_int(), value->as_list()[1].as_int()};
    } else {
      keys.wrong(*value, "resize", "the length of the shorter side, or [height, width]");
    }
  }

  void check_one_picture() {
    auto count = std::count_if(spec_.fills.begin(), spec_.fills.end(),
                               [](const FillSpec& f) { return !f.law && !f.label; });
    if (count == 1 || found_.has_errors()) return;
    found_.error("E0333", declared_.mark,
                 what() +
                     ": one input is to be filled by the pictures, [N, channels, height, "
                     "width], others by the numbers of their folders, [N]");
  }

  void read_fill(size_t input, const Attr& value, Keys& outer) {
    const InputDecl& decl = inputs_[input];
    if (!value.is<Dict>()) {
      return outer.wrong(value, decl.name, "a dictionary that says how the input is filled");
    }
    FillSpec fill{.input = input, .mark = value.mark};
    Keys keys(value.as_dict(), value.mark, fmt::format("{}, input '{}'", what(), decl.name),
              found_);
    if (keys.has("random")) {
      read_law(keys, fill);
    } else if (spec_.kind == SourceKind::csv) {
      read_columns(keys, fill);
    } else if (spec_.kind == SourceKind::images) {
      read_place(keys, fill, decl);
    } else if (spec_.kind == SourceKind::folder) {
      fill.label = decl.type.rank() == 1 && !is_floating(decl.type.dtype);
      fill.path_mark = spec_.path_mark ? spec_.path_mark : fill.mark;
      if (!fill.label) check_takes_images(fill, decl);
    } else {
      fill.path = keys.text("path", true);
      if (const Attr* path = find(value.as_dict(), "path")) fill.path_mark = path->mark;
    }
    read_affine(keys, fill, decl);
    if (!fill.law && is_picture(decl)) read_pad(keys, fill, decl);
    keys.finish();
    check_input(decl, fill);
    spec_.fills.push_back(std::move(fill));
  }

  static void read_law(Keys& keys, FillSpec& fill) {
    std::string law = keys.text("random");
    if (law == "normal") fill.law = Law::normal;
    if (law == "uniform") fill.law = Law::uniform;
    if (!fill.law) keys.wrong(*keys.get("random"), "random", "normal or uniform");
  }

  static void read_columns(Keys& keys, FillSpec& fill) {
    const Attr* one = keys.get("column");
    const Attr* value = one ? one : keys.required("columns");
    if (one && keys.has("columns")) keys.wrong(*one, "column", "left out beside 'columns'");
    if (!value) return;
    fill.columns_mark = value->mark;
    bool good = true;
    if (value->is<Attr::List>() && !one) {
      for (const Attr& item : value->as_list()) good = good && add_columns(item, fill.columns);
    } else {
      good = add_columns(*value, fill.columns);
    }
    if (one) good = good && fill.columns.size() == 1;
    if (!good || fill.columns.empty()) {
      keys.wrong(*value, one ? "column" : "columns",
                 one ? "a number or a title" : "a range such as 0..63, or a list");
    }
  }

  void read_place(Keys& keys, FillSpec& fill, const InputDecl& decl) {
    fill.listed = keys.has("list");
    const bool matched = !fill.listed && keys.has("path");
    const char* key = fill.listed ? "list" : matched ? "path" : "folder";
    if ((fill.listed || matched) && keys.has("folder")) {
      keys.wrong(*keys.get(key), key, "left out beside 'folder'");
    }
    fill.path = keys.text(key, true);
    if (const Attr* path = keys.get(key)) fill.path_mark = path->mark;
    if (matched) split_pattern(keys, fill);
    check_takes_images(fill, decl);
  }

  void check_takes_images(const FillSpec& fill, const InputDecl& decl) {
    if (takes_images(decl)) return;
    found_.error("E0333", fill.mark,
                 fmt::format("{}: input '{}' is {}; images fill [N, channels, height, width], "
                             "gray ones [N, height, width] as well",
                             what(), decl.name, to_string(decl.type)));
  }

  /// `masks/*.png` is a folder and a pattern of the names in it.
  static void split_pattern(Keys& keys, FillSpec& fill) {
    const size_t slash = fill.path.rfind('/'), star = fill.path.find('*');
    const bool in_name = star != std::string::npos && (slash == std::string::npos || slash < star);
    if (!in_name || fill.path.find('*', star + 1) != std::string::npos) {
      keys.wrong(*keys.get("path"), "path", "a pattern with one `*`, in the name: masks/*.png");
      return;
    }
    fill.pattern = fill.path.substr(slash + 1);  // all of it where there is no slash
    fill.path = slash == std::string::npos ? "." : fill.path.substr(0, slash + 1);
  }

  /// A number for all, or a list with one for each channel.
  std::vector<double> read_channels(Keys& keys, const std::string& key, Keys::NumberRule rule,
                                    const InputDecl& decl) {
    const Attr* value = keys.get(key);
    bool per_channel = spec_.kind != SourceKind::csv && is_picture(decl) && decl.type.rank() == 4;
    if (!value || !per_channel || !value->is<Attr::List>()) return {keys.number(key, rule)};
    int64_t channels = decl.type.shape[1].value;
    std::vector<double> numbers;
    for (const Attr& item : value->as_list()) {
      bool good = item.is_number() && (rule.zero || item.as_double() != 0);
      if (good) numbers.push_back(item.as_double());
    }
    if (numbers.size() == value->as_list().size() && int64_t(numbers.size()) == channels) {
      return numbers;
    }
    keys.wrong(*value, key,
               fmt::format("a number{}, or a list of {}, one for each channel",
                           rule.zero ? "" : " other than 0", channels));
    return {rule.otherwise};
  }

  void read_affine(Keys& keys, FillSpec& fill, const InputDecl& decl) {
    std::vector<double> scale = read_channels(keys, "scale", {.otherwise = 1}, decl);
    std::vector<double> mean = read_channels(keys, "mean", {.otherwise = 0}, decl);
    std::vector<double> std = read_channels(keys, "std", {.otherwise = 1, .zero = false}, decl);
    auto at = [](const std::vector<double>& numbers, size_t i) {
      return numbers[numbers.size() > 1 ? i : 0];
    };
    size_t channels = std::max({scale.size(), mean.size(), std.size()});
    fill.affine = {scale[0], mean[0], std[0]};
    for (size_t i = 0; channels > 1 && i < channels; ++i) {
      fill.channels.push_back({at(scale, i), at(mean, i), at(std, i)});
    }
    bool floating = decl.type.dtype == DType::f32 || decl.type.dtype == DType::f64;
    bool as_it_is = fill.affine.identity() && fill.channels.empty() && !fill.law;
    if (floating || as_it_is) return;
    found_.error("E0333", fill.mark,
                 fmt::format("{}: input '{}' is {}, and only f32 and f64 can be scaled or drawn",
                             what(), decl.name, to_string(decl.type.dtype)));
  }

  void read_pad(Keys& keys, FillSpec& fill, const InputDecl& decl) {
    fill.pad = keys.number("pad", {.otherwise = 0});
    bool whole = fill.pad == double(int64_t(std::clamp(fill.pad, -1e9, 1e9)));
    if (is_floating(decl.type.dtype) || whole) return;
    keys.wrong(*keys.get("pad"), "pad", "a whole number");
  }

  void check_input(const InputDecl& decl, const FillSpec& fill) {
    DType dtype = decl.type.dtype;
    if (dtype == DType::f16 || dtype == DType::bf16) {
      found_
          .error("E0333", fill.mark,
                 fmt::format("{}: input '{}' is {}, which no data source fills", what(), decl.name,
                             to_string(dtype)))
          .help("declare it as f32");
    }
    if (decl.type.batched()) return;
    found_.error(
        "E0333", fill.mark,
        fmt::format("{}: input '{}' has no dimension N, so it has no samples", what(), decl.name));
  }

  void check_something_is_read() {
    for (const FillSpec& fill : spec_.fills) {
      if (!fill.law) return;
    }
    if (found_.has_errors()) return;
    std::vector<std::string> names;
    for (const InputDecl& input : inputs_) names.push_back(input.name);
    found_.error("E0332", declared_.mark, fmt::format("{}: no input is read from a file", what()))
        .help(names.empty() ? "" : fmt::format("say how '{}' is filled", names.front()));
  }

  const TypedDict& declared_;
  std::span<const InputDecl> inputs_;
  Diagnostics& found_;
  SourceSpec spec_;
};

}  // namespace

bool takes_images(const InputDecl& input) {
  return is_picture(input) && (input.type.rank() == 3 || input.type.shape[1].value <= 4);
}

bool holds_classes(DType dtype) {
  return dtype == DType::i64 || dtype == DType::i32 || dtype == DType::boolean;
}

bool is_picture(const InputDecl& input) {
  const Shape& shape = input.type.shape;
  if ((shape.size() != 3 && shape.size() != 4) || shape[0] != N) return false;
  return std::none_of(shape.begin() + 1, shape.end(), [](const Dim& d) { return d.batched; });
}

std::vector<std::string> data_source_types() {
  std::vector<std::string> names;
  names.reserve(kinds.size());
  for (const auto& kind : kinds) names.emplace_back(kind.first);
  return names;
}

SourceSpec read_spec(const TypedDict& declared, std::span<const InputDecl> inputs,
                     Diagnostics& found) {
  return Reader(declared, inputs, found).read();
}

void check_data(const TypedDict& declared, std::span<const InputDecl> inputs, Diagnostics& found) {
  read_spec(declared, inputs, found);
}

}  // namespace braid
