// Short ways to read a text in a test, and to say what its layers take.
#pragma once
#include <gtest/gtest.h>

#include <string>

#include <braid/dsl/read.h>

namespace braid {

inline std::string rendered(const Diagnostics& found) {
  std::string text;
  for (const Diagnostic& d : found.all()) text += render(d);
  return text;
}

/// Reads a text that must be right; `braid: 1` and an input x are added.
inline Model read_good(const std::string& text, const ReadOptions& options = {}) {
  Diagnostics found;
  Model model = read_text("braid: 1\n" + text, "net.yaml", options, found);
  EXPECT_EQ(rendered(found), "");
  return model;
}

/// The same with an input `x` of 8 features.
inline Model read_layers(const std::string& text, const ReadOptions& options = {}) {
  return read_good("inputs: {x: {shape: [N, 8]}}\n" + text, options);
}

/// Everything that is said about a text with an input `x`.
inline std::string errors_in(const std::string& text, const ReadOptions& options = {}) {
  Diagnostics found;
  read_text("braid: 1\ninputs: {x: {shape: [N, 8]}}\n" + text, "net.yaml", options, found);
  return rendered(found);
}

inline std::string path_of(const Model& model, const Link& link) {
  std::string name = link.kind == Link::Kind::input ? model.inputs.at(size_t(link.index)).name
                                                    : model.layers.at(size_t(link.index)).path;
  return (link.into.empty() ? "" : link.into + ":") + name +
         (link.port.empty() ? "" : "." + link.port);
}

/// `path <- input input ...` of every layer, one per line.
inline std::string wiring(const Model& model) {
  std::string text;
  for (const LayerItem& layer : model.layers) {
    text += layer.path + " <-";
    for (const Link& link : layer.from) text += " " + path_of(model, link);
    text += "\n";
  }
  return text;
}

inline const LayerItem& layer(const Model& model, const std::string& path) {
  for (const LayerItem& item : model.layers)
    if (item.path == path) return item;
  throw std::runtime_error("no layer " + path);
}

}  // namespace braid
