// A Model of imported layers as text, which format_text() brings into canonical form.
#include <algorithm>

#include <braid/core/error.h>
#include <braid/dsl/format.h>

#include "libonnx/import/write.h"

namespace braid::onnx_import {
namespace {

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '$') out += '$';
    out += c;
  }
  return out + "\"";
}

bool plain(const std::string& text) {
  return !text.empty() &&
         std::ranges::all_of(text,
                             [](unsigned char c) {
                               return std::isalnum(c) || c == '_' || c == '.' || c == '-' ||
                                      c == '*';
                             }) &&
         text[0] != '*' && text[0] != '-' && text[0] != '.';
}

class Text {
 public:
  Text(const Network& network, const Network* other, const Frees& frees)
      : network_(network), other_(other), frees_(frees) {}

  std::string all(const std::string& weights) {
    auto& model = network_.model;
    std::string text = "braid: 1\n";
    if (!model.name.empty()) text += "name: " + quoted(model.name) + "\n";
    text += "inputs:\n";
    for (auto& input : model.inputs) text += "  " + this->input(input);
    if (!model.layers.empty()) text += "layers:\n";
    for (size_t k = 0; k < model.layers.size(); ++k) text += layer(k);
    text += "outputs:\n";
    for (auto& output : model.outputs)
      text += "  " + output.name + ": " + name_of(output.from) + "\n";
    if (!model.ties.empty()) text += "tie:\n";
    for (auto& tie : model.ties) text += "  " + tie.key + ": " + tie.to + "\n";
    if (!weights.empty()) text += "weights: {path: " + quoted(weights) + "}\n";
    return text;
  }

 private:
  std::string input(const InputDecl& input) {
    std::string dims;
    for (auto& dim : input.type.shape) dims += (dims.empty() ? "" : ", ") + to_string(dim);
    std::string text = input.name + ": {shape: [" + dims + "]";
    if (input.type.dtype != DType::f32)
      text += ", dtype: " + std::string(to_string(input.type.dtype));
    return text + "}\n";
  }

  std::string name_of(const Link& link) {
    auto& model = network_.model;
    if (link.kind == Link::Kind::input) return model.inputs[size_t(link.index)].name;
    return model.layers[size_t(link.index)].path + (link.port.empty() ? "" : "." + link.port);
  }

  bool above(const Link& link, size_t k) const {
    if (!link.port.empty()) return false;
    // The first layer names its input: whoever trains the network adds others, labels.
    return k > 0 && link.kind == Link::Kind::layer && link.index == int(k) - 1;
  }

  std::string layer(size_t k) {
    auto& item = network_.model.layers[k];
    std::string text = "  - {name: " + item.path;
    if (item.share >= 0)
      text += ", share: " + network_.model.layers[size_t(item.share)].path;
    else
      text += ", type: " + item.type;
    if (item.from.size() != 1 || !above(item.from[0], k)) {
      std::string names;
      for (auto& link : item.from) names += (names.empty() ? "" : ", ") + name_of(link);
      text += ", from: " + (item.from.size() == 1 ? names : "[" + names + "]");
    }
    for (auto& entry : item.share >= 0 ? Dict() : item.params) {
      const Attr* second = other_ ? find(other_->model.layers[k].params, entry.key) : nullptr;
      text += ", " + entry.key + ": " + value(entry.value, second);
    }
    return text + "}\n";
  }

  /// A number that is another one for other sizes is a multiple of a free size.
  std::string value(const Attr& a, const Attr* b) {
    if (a.is<Attr::List>()) {
      std::string all;
      auto& list = a.as_list();
      const bool paired = b && b->is<Attr::List>() && b->as_list().size() == list.size();
      if (b && !paired) cannot("a parameter has another form for other sizes");
      for (size_t k = 0; k < list.size(); ++k)
        all += (k ? ", " : "") + value(list[k], paired ? &b->as_list()[k] : nullptr);
      return "[" + all + "]";
    }
    if (a.is<std::string>() && (!b || a == *b))
      return plain(a.as_text()) ? a.as_text() : quoted(a.as_text());
    if (!b || a == *b) return to_string(a);
    if (a.is<int64_t>() && b->is<int64_t>())
      for (auto& free : frees_)
        if (free.one && a.as_int() % free.one == 0 && b->is<int64_t>() &&
            a.as_int() / free.one * free.two == b->as_int())
          return (a.as_int() == free.one ? "" : std::to_string(a.as_int() / free.one) + "*") +
                 free.name;
    cannot("a parameter follows from a free size: " + to_string(a));
  }

  const Network& network_;
  const Network* other_;
  const Frees& frees_;
};

bool same_links(const Link& a, const Link& b) {
  return a.kind == b.kind && a.index == b.index && a.port == b.port;
}

}  // namespace

std::string write_text(const Network& network, const Network* other, const Frees& frees,
                       const std::string& weights) {
  if (other) {
    auto &a = network.model.layers, &b = other->model.layers;
    bool same = a.size() == b.size() && network.weights == other->weights;
    for (size_t k = 0; same && k < a.size(); ++k)
      same = a[k].path == b[k].path && a[k].type == b[k].type &&
             a[k].params.size() == b[k].params.size() &&
             std::ranges::equal(a[k].from, b[k].from, same_links);
    if (!same) cannot("the network is another one for other sizes");
  }
  const std::string text = Text(network, other, frees).all(weights);
  Diagnostics found;
  auto formatted = format_text(text, "net.yaml", found);
  if (!formatted) {
    found.raise(Fault::bug);
    bug("an imported network has no canonical form");
  }
  return *formatted;
}

}  // namespace braid::onnx_import
