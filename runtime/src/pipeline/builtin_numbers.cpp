// What is made of a network's outputs: classes and their names, probabilities, a choice.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "pipeline/builtin.h"

namespace braid::builtin {
namespace {

/// The class with the largest value, of each cell where there are several dimensions.
class Argmax {
 public:
  explicit Argmax(const Dict& params)
      : field_(get_text(params, "field")),
        to_(get_text(params, "to")),
        score_(text_or_none(params, "score")) {
    if (const Attr* names = find(params, "names"); names && names->is<Attr::List>())
      for (const Attr& name : names->as_list())
        names_.push_back(name.is<std::string>() ? name.as_text() : to_string(name));
  }

  Record operator()(Record item) const {
    const std::vector<double> values = numbers_of(item, field_);
    const auto& dims = item.at(field_).dims;
    if (dims.empty() || values.empty()) refuse(item, field_, "one value for each class");
    const size_t classes = size_t(dims[0]), cells = values.size() / classes;
    std::vector<int64_t> best(cells, 0);
    std::vector<float> score(cells);
    for (size_t cell = 0; cell < cells; ++cell) {
      for (size_t c = 1; c < classes; ++c)
        if (values[c * cells + cell] > values[size_t(best[cell]) * cells + cell])
          best[cell] = int64_t(c);
      score[cell] = float(values[size_t(best[cell]) * cells + cell]);
    }
    const std::vector<int64_t> rest(dims.begin() + 1, dims.end());
    if (!score_.empty()) item[score_] = Array::of<float>(rest, score);
    item[to_] = names_.empty() || !rest.empty() ? Array::of<int64_t>(rest, best) : name(best[0]);
    return item;
  }

 private:
  Array name(int64_t index) const {
    if (size_t(index) >= names_.size())
      throw Error(Fault::run, "E0465",
                  fmt::format("class {} has no name: `names` has {}", index, names_.size()));
    return text(names_[size_t(index)]);
  }

  std::string field_, to_, score_;
  std::vector<std::string> names_;
};

/// Over the first dimension, which is that of classes.
Record softmax(Record item, const std::string& from, const std::string& to) {
  const std::vector<double> values = numbers_of(item, from);
  const auto dims = item.at(from).dims;
  if (dims.empty() || values.empty()) refuse(item, from, "one value for each class");
  const size_t classes = size_t(dims[0]), cells = values.size() / classes;
  std::vector<float> out(values.size());
  for (size_t cell = 0; cell < cells; ++cell) {
    double most = values[cell], sum = 0;
    for (size_t c = 1; c < classes; ++c) most = std::max(most, values[c * cells + cell]);
    for (size_t c = 0; c < classes; ++c) sum += std::exp(values[c * cells + cell] - most);
    for (size_t c = 0; c < classes; ++c)
      out[c * cells + cell] = float(std::exp(values[c * cells + cell] - most) / sum);
  }
  item[to] = Array::of<float>(dims, out);
  return item;
}

Record reshape(Record item, const std::string& name, const std::vector<int64_t>& size) {
  Array reshaped = field(item, name);
  reshaped.dims = size;
  if (bytes_of(reshaped.dtype, size) != int64_t(reshaped.bytes.size()))
    refuse(item, name, fmt::format("as many elements as [{}] has", fmt::join(size, ", ")));
  item[name] = std::move(reshaped);
  return item;
}

bool at_least(const Record& item, const std::string& name, double value) {
  const std::vector<double> values = numbers_of(item, name);
  if (values.size() != 1) refuse(item, name, "a single number");
  return values[0] >= value;
}

}  // namespace

void add_numbers(Stages& stages) {
  const ParamDef logits = text_param("field", "one value for each class", "logits");
  stages.map("argmax", with_params({logits,
                                    text_param("to", "the class", "label"),
                                    text_param("score", "a field for its value", {}, true),
                                    {.name = "names",
                                     .kind = ParamKind::any,
                                     .doc = "of the classes, in their order",
                                     .optional = true}},
                                   [](const Dict& params) { return Argmax(params); }));
  stages.map("softmax", with_params({logits, text_param("to", "the result", "probabilities")},
                                    [](const Dict& params) {
                                      return [from = get_text(params, "field"),
                                              to = get_text(params, "to")](Record item) {
                                        return softmax(std::move(item), from, to);
                                      };
                                    }));
  stages.map(
      "reshape",
      with_params(
          {text_param("field", "whose elements stay", "image"),
           {.name = "size", .kind = ParamKind::integers, .doc = "of each dimension", .min = 1}},
          [](const Dict& params) {
            return [name = get_text(params, "field"), size = get_ints(params, "size")](
                       Record item) { return reshape(std::move(item), name, size); };
          }));
  stages.filter(
      "at_least",
      with_params(
          {text_param("field", "a single number", "score"),
           {.name = "value", .kind = ParamKind::number, .doc = "what goes on is not below"}},
          [](const Dict& params) {
            return [name = get_text(params, "field"), value = get_double(params, "value")](
                       const Record& item) { return at_least(item, name, value); };
          }));
  stages.join("merge", [](Record a, Record b) {
    a.merge(b);  // where both have a field, the first stage's stays
    return a;
  });
}

}  // namespace braid::builtin
