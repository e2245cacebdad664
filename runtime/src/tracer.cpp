#include "tracer.h"

#include <algorithm>
#include <cctype>

namespace braid {
namespace {

std::shared_ptr<const Source> described() {
  return std::make_shared<const Source>(Source{"(a module)", ""});
}

}  // namespace

Tracer::Tracer(Module& root, bool synchronize) : root_(root), synchronize_(synchronize) {
  for (auto& [path, module] : modules_of(root))
    paths_[module] = path.empty() ? "module" : "module." + path;
}

Model Tracer::run(const std::vector<Type>& inputs) {
  model_.name = "module";
  model_.mark = {described(), 0, 0};
  std::vector<Symbol> symbols;
  for (size_t i = 0; i < inputs.size(); ++i) {
    model_.inputs.push_back({"input" + std::to_string(i), inputs[i], model_.mark});
    symbols.push_back({this, Link::input(int(i))});
  }
  auto outputs = call(root_, symbols);
  for (size_t i = 0; i < outputs.size(); ++i)
    model_.outputs.push_back({"output" + std::to_string(i), outputs[i].link, model_.mark});
  for (auto& [path, module] : modules_of(root_)) model_.traversal.push_back(paths_.at(module));
  return std::move(model_);
}

// A name that no item has: later calls get a number.
std::string Tracer::fresh(const std::string& wanted) {
  int count = used_[wanted]++;
  return count ? fresh(wanted + "_" + std::to_string(count)) : wanted;
}

std::vector<Symbol> Tracer::call(Module& module, const std::vector<Symbol>& x) {
  auto path = paths_.find(&module);
  if (path == paths_.end())
    throw Error(Fault::usage, "E0433",
                "a module of type " + module.type() +
                    " is called, and nobody registered it with register_module");
  for (auto& value : x)
    if (value.tracer != this)
      throw Error(Fault::usage, "E0433",
                  "module '" + path->second + "' was given a value of another network");
  inside_.push_back(path->second);
  std::vector<Symbol> out;
  if (dynamic_cast<Layer*>(&module)) {
    out = module.forward(x);
  } else {
    bool again = !first_call_.try_emplace(&module, int(model_.layers.size())).second;
    size_t container = model_.containers.size();
    if (!again)
      model_.containers.push_back({.path = path->second,
                                   .type = module.type(),
                                   .first = int(model_.layers.size()),
                                   .mark = model_.mark});
    out = module.forward(x);
    if (!again) model_.containers[container].last = int(model_.layers.size());
  }
  inside_.pop_back();
  return out;
}

Symbol Tracer::add(LayerItem item, const std::vector<Symbol>& x) {
  for (auto& value : x) item.from.push_back(value.link);
  item.mark = item.type_mark = model_.mark;
  model_.layers.push_back(std::move(item));
  return {this, Link::layer(int(model_.layers.size()) - 1)};
}

std::vector<Symbol> Tracer::layer(const Layer& layer, const std::vector<Symbol>& x) {
  const std::string path = fresh(paths_.at(&layer));
  LayerItem item{.path = path, .type = layer.type_, .params = layer.params_};
  auto [first, fresh_call] = first_call_.try_emplace(&layer, int(model_.layers.size()));
  if (!fresh_call) item.share = first->second;
  bool frozen = layer.freeze_stats_ || (root_.is_training() && !layer.is_training());
  if (!layer.requires_grad())
    item.freeze = frozen ? Freeze::all : Freeze::params;
  else if (frozen)
    item.freeze = Freeze::stats;
  if (auto* norm = dynamic_cast<const BatchNorm*>(&layer))
    item.sync = norm->synchronized() && synchronize_ ? 0 : 1;
  if (!root_.is_training() && layer.is_training() && dynamic_cast<const BatchNorm*>(&layer))
    throw Error(Fault::usage, "E0433",
                "'" + path + "' is in training mode inside a module that is in eval mode")
        .help("call eval() or train() on the outermost module");
  if (item.type == "Dropout" && root_.is_training() && !layer.is_training())
    item = {.path = path, .type = "Identity"};
  return {add(std::move(item), x)};
}

Symbol Tracer::apply(const std::string& type, const std::vector<Symbol>& x, Dict params) {
  std::string name = type;
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return char(std::tolower(c)); });
  return add(
      {.path = fresh(inside_.back() + "." + name), .type = type, .params = std::move(params)}, x);
}

Model trace(Module& root, const std::vector<Type>& inputs, bool synchronize) {
  return Tracer(root, synchronize).run(inputs);
}

}  // namespace braid
