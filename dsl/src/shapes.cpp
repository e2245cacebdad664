#include "shapes.h"

#include <charconv>
#include <tuple>

#include "keys.h"

namespace braid::dsl {
namespace {

constexpr const char* shape_help = "[N, 3, 224, 224]: N is the batch, the others are numbers";
constexpr int64_t largest_dim = INT32_MAX;

std::string without_blanks(std::string_view text) {
  std::string out;
  for (char c : text)
    if (c != ' ') out += c;
  return out;
}

/// k of `N` and `k*N`, or 0.
int64_t factor_of_n(const std::string& text) {
  if (text == "N") return 1;
  if (text.size() < 3 || text.compare(text.size() - 2, 2, "*N") != 0) return 0;
  int64_t factor = 0;
  const char* end = text.data() + text.size() - 2;
  auto [stop, failed] = std::from_chars(text.data(), end, factor);
  return failed == std::errc() && stop == end && factor <= largest_dim ? factor : 0;
}

struct Read {
  bool fine = false;
  ExpectDim dim = {};
};

/// Enough for a name, and little enough to travel with every shape.
constexpr size_t longest_name = std::tuple_size_v<decltype(Dim::name)>;

Dim free_dim(const FreeDim& free, size_t index) {
  return Dim::free(free.name, free.size ? free.size : 64 + 64 * int64_t(index));
}

Read read_free(const Env& env, const Node& node, const std::string& name, bool any) {
  auto& free = env.reading.free;
  std::vector<std::string> known;
  for (size_t i = 0; i < free.size(); ++i) {
    if (free[i].name == name) return {true, free_dim(free[i], i)};
    known.push_back(free[i].name);
  }
  if (any) {
    env.error("E0060", node.place,
              "no input has a dimension '" + name + "'" + did_you_mean(name, known));
    return {};
  }
  if (name.size() > longest_name) {
    env.error("E0060", node.place,
              "the name of a dimension has at most " + std::to_string(longest_name) +
                  " letters, this is '" + name + "'");
    return {};
  }
  FreeDim dim{.name = name, .mark = env.mark(node.place)};
  for (auto& size : env.reading.sizes)
    if (size.name == name) dim.size = size.value;
  free.push_back(dim);
  return {true, free_dim(free.back(), free.size() - 1)};
}

Read read_word(const Env& env, const Node& node, const std::string& typed, size_t index, bool any) {
  std::string text = without_blanks(typed);
  if (any && text == "_") return {true};
  if (int64_t factor = factor_of_n(text)) {
    if (index == 0) return {true, Dim(factor, true)};
    env.error("E0060", node.place, "N, the batch, can only be dimension 0")
        .help("replicas hold slices of dimension 0: [N, 3, 224, 224]");
    return {};
  }
  if (is_free_name(text)) return read_free(env, node, text, any);
  env.error("E0060", node.place,
            "a dimension is an integer, N or k*N" + std::string(any ? ", or _" : "") +
                "; this is '" + typed + "'")
      .help(shape_help);
  return {};
}

Read read_dim(const Env& env, const Node& node, size_t index, bool any) {
  auto value = evaluate(env, node);
  if (!value) return {};
  if (value->is<std::string>()) return read_word(env, node, value->as_text(), index, any);
  if (!value->is<int64_t>()) {
    env.error("E0060", node.place,
              "a dimension is an integer, N or k*N; this is " + described(*value))
        .help(shape_help);
    return {};
  }
  int64_t size = value->as_int();
  if (size >= 1 && size <= largest_dim) return {true, Dim(size)};
  env.error("E0060", node.place,
            "a dimension is between 1 and 2147483647, this is " + std::to_string(size))
      .help(size == -1 ? "the batch is N: [N, 3, 224, 224]" : shape_help);
  return {};
}

}  // namespace

bool is_free_name(const std::string& text) {
  if (text.empty() || text == "N" || text[0] < 'A' || text[0] > 'Z') return false;
  return text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == text.npos;
}

std::optional<std::vector<ExpectDim>> read_dims(const Env& env, const Node& node, bool any) {
  if (!node.is_list()) {
    env.error("E0060", node.place, "a shape is a list of dimensions, this is " + kind_of(node))
        .help(shape_help);
    return {};
  }
  std::vector<ExpectDim> dims;
  bool fine = true;
  for (size_t i = 0; i < node.items.size(); ++i) {
    Read read = read_dim(env, node.items[i], i, any);
    fine &= read.fine;
    dims.push_back(read.dim);
  }
  return fine ? std::optional(std::move(dims)) : std::nullopt;
}

std::optional<Shape> read_shape(const Env& env, const Node& node) {
  auto dims = read_dims(env, node, false);
  if (!dims) return {};
  Shape shape;
  std::optional<int64_t> elements = 1;
  for (const ExpectDim& dim : *dims) {
    shape.push_back(*dim);
    if (elements) elements = checked_product(*elements, dim->value);
  }
  if (elements && *elements <= int64_t{1} << 48) return shape;
  env.error("E0060", node.place,
            "a tensor of shape " + to_string(shape) + " is larger than any memory")
      .help("one sample has at most 2^48 elements");
  return {};
}

}  // namespace braid::dsl
