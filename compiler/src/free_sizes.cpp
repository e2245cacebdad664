#include <braid/compiler/sizes.h>

#include <charconv>
#include <map>
#include <string_view>

namespace braid {
namespace {

using Sizes = std::map<std::string, int64_t, std::less<>>;

/// `L` and `2*L`; nothing for any other text.
std::optional<int64_t> value_of(std::string_view text, const Sizes& sizes) {
  int64_t factor = 1;
  if (auto star = text.find('*'); star != text.npos) {
    auto [end, wrong] = std::from_chars(text.data(), text.data() + star, factor);
    if (wrong != std::errc() || end != text.data() + star) return {};
    text.remove_prefix(star + 1);
  }
  auto found = sizes.find(text);
  return found == sizes.end() ? std::nullopt : checked_product(factor, found->second);
}

void put_sizes(Attr& attr, const Sizes& sizes) {
  if (attr.is<std::string>()) {
    if (auto value = value_of(attr.as_text(), sizes)) attr.value = *value;
  } else if (auto* list = std::get_if<Attr::List>(&attr.value)) {
    for (Attr& item : *list) put_sizes(item, sizes);
  } else if (auto* dict = std::get_if<Dict>(&attr.value)) {
    for (Entry& entry : *dict) put_sizes(entry.value, sizes);
  }
}

void put_size(Dim& dim, const Sizes& sizes) {
  if (dim.is_free()) dim.value = sizes.find(dim.free_name())->second;
}

}  // namespace

Model with_sizes(Model model, const std::vector<int64_t>& sizes) {
  Sizes by_name;
  for (size_t i = 0; i < model.free.size(); ++i) by_name[model.free[i].name] = sizes.at(i);
  for (auto& input : model.inputs)
    for (Dim& dim : input.type.shape) put_size(dim, by_name);
  for (auto& layer : model.layers) {
    if (layer.expect)
      for (auto& dim : *layer.expect)
        if (dim) put_size(*dim, by_name);
    for (Entry& entry : layer.params) put_sizes(entry.value, by_name);
  }
  model.free.clear();
  return model;
}

std::vector<int64_t> known_sizes(const Model& model) {
  std::vector<int64_t> sizes;
  for (auto& dim : model.free) {
    if (dim.size < 1)
      throw Error(Fault::model, "E0151",
                  "the size of '" + dim.name + "' is not known before the network runs", dim.mark)
          .help("--set " + dim.name + "=128 gives it one");
    sizes.push_back(dim.size);
  }
  return sizes;
}

}  // namespace braid
