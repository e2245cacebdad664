#include <braid/runtime/modules.h>

#include <cxxabi.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <typeinfo>

#include "tracer.h"

namespace braid {
namespace {

void visit(const std::string& path, Module& module, std::set<const Module*>& seen,
           std::vector<std::pair<std::string, Module*>>& all) {
  if (!seen.insert(&module).second) return;
  all.emplace_back(path, &module);
  for (auto& [name, child] : module.children())
    visit(path.empty() ? name : path + "." + name, *child, seen, all);
}

// The network that is being described.
Tracer& network_of(const std::vector<Symbol>& x) {
  if (x.empty() || !x[0].tracer)
    throw Error(Fault::usage, "E0433", "a module or layer is called without a value of a network");
  return *x[0].tracer;
}

Array filled(int64_t channels, float value) {
  return Array::of<float>({channels}, std::vector<float>(size_t(channels), value));
}

}  // namespace

Module::~Module() = default;

Symbol Module::forward(Symbol) {
  throw Error(Fault::usage, "E0433",
              "module of type " + type() + " does not say what it does: override forward(Symbol)");
}

std::vector<Symbol> Module::forward(const std::vector<Symbol>& x) {
  if (x.size() != 1)
    throw Error(Fault::usage, "E0433",
                "module of type " + type() + " takes one input and was given " +
                    std::to_string(x.size()) + ": override forward(const std::vector<Symbol>&)");
  return {forward(x[0])};
}

Symbol Module::operator()(Symbol x) { return network_of({x}).call(*this, {x}).at(0); }
std::vector<Symbol> Module::operator()(const std::vector<Symbol>& x) {
  return network_of(x).call(*this, x);
}

void Module::add_child(std::string name, std::shared_ptr<Module> module) {
  auto same = [&](auto& child) { return child.first == name; };
  std::string why = !module                                ? "is null"
                    : name.empty()                         ? "has no name"
                    : name.find('.') != std::string::npos  ? "has a dot in its name"
                    : std::ranges::any_of(children_, same) ? "has a name that is taken"
                                                           : "";
  if (!why.empty())
    throw Error(Fault::usage, "E0430", type() + ": the child '" + name + "' " + why);
  children_.emplace_back(std::move(name), std::move(module));
}

std::string Module::type() const {
  int status = 0;
  std::unique_ptr<char, void (*)(void*)> name(
      abi::__cxa_demangle(typeid(*this).name(), nullptr, nullptr, &status), std::free);
  std::string text = status == 0 ? name.get() : typeid(*this).name();
  for (const char* noise : {"(anonymous namespace)::", "braid::"})
    for (size_t at = text.find(noise); at != std::string::npos; at = text.find(noise))
      text.erase(at, std::string(noise).size());
  return text;
}

Module& Module::train(bool on) {
  for (auto& [path, module] : modules_of(*this)) module->training_ = on;
  return *this;
}

Module& Module::requires_grad(bool on) {
  for (auto& [path, module] : modules_of(*this)) module->requires_grad_ = on;
  return *this;
}

std::vector<std::pair<std::string, Module*>> modules_of(Module& root) {
  std::vector<std::pair<std::string, Module*>> all;
  std::set<const Module*> seen;
  visit("", root, seen, all);
  return all;
}

std::map<std::string, Array> Module::state_dict() const {
  std::map<std::string, Array> all;
  for (auto& [path, module] : modules_of(const_cast<Module&>(*this)))
    for (auto& [name, tensor] : module->tensors_)
      all[path.empty() ? name : path + "." + name] = tensor;
  return all;
}

void Module::load_state_dict(const std::map<std::string, Array>& tensors) {
  auto all = modules_of(*this);
  std::string unknown;
  std::vector<std::pair<Module*, std::string>> owners;
  for (auto& [key, tensor] : tensors) {
    auto dot = key.rfind('.');
    std::string path = dot == std::string::npos ? "" : key.substr(0, dot);
    std::string name = dot == std::string::npos ? key : key.substr(dot + 1);
    auto at = std::ranges::find_if(all, [&](auto& m) { return m.first == path; });
    bool known = at != all.end() && dynamic_cast<Layer*>(at->second);
    if (known && dynamic_cast<BatchNorm*>(at->second))  // has all of its tensors from the start
      known = at->second->tensors_.contains(name);
    if (!known)
      unknown += "\n  " + key;
    else
      owners.emplace_back(at->second, name);
  }
  if (!unknown.empty()) throw Error(Fault::data, "E0431", "no module has these tensors:" + unknown);
  size_t next = 0;
  for (auto& [key, tensor] : tensors) {
    auto& [owner, name] = owners[next++];
    owner->tensors_.insert_or_assign(name, tensor);
  }
}

Array& Module::tensor(const std::string& name) {
  if (auto found = tensors_.find(name); found != tensors_.end()) return found->second;
  std::vector<std::string> known;
  for (auto& [key, tensor] : tensors_) known.push_back(key);
  throw Error(
      Fault::usage, "E0432",
      "module of type " + type() + " has no tensor '" + name + "'" + did_you_mean(name, known))
      .help(known.empty() ? "tensors whose shape follows from the input are there after a first run"
                          : "");
}

Layer::Layer(std::string type, Dict params) : type_(std::move(type)), params_(std::move(params)) {}

std::string Layer::type() const { return typeid(*this) == typeid(Layer) ? type_ : Module::type(); }

std::vector<Symbol> Layer::forward(const std::vector<Symbol>& x) {
  return network_of(x).layer(*this, x);
}

Sequential::Sequential(const std::vector<std::shared_ptr<Module>>& modules) {
  for (auto& module : modules) register_module(std::to_string(children().size()), module);
}

Symbol Sequential::forward(Symbol x) {
  for (auto& [name, module] : children()) x = (*module)(x);
  return x;
}

Linear::Linear(int64_t in_features, int64_t out_features, bool bias)
    : Layer("Linear",
            {{"in_features", in_features}, {"out_features", out_features}, {"bias", bias}}) {}

Conv2d::Conv2d(int64_t in_channels, int64_t out_channels, int64_t kernel_size, Dict more)
    : Layer("Conv2d", {{"in_channels", in_channels},
                       {"out_channels", out_channels},
                       {"kernel_size", kernel_size}}) {
  for (auto& entry : more) set(params_, entry.key, entry.value);
}

BatchNorm::BatchNorm(int dimensions, int64_t num_features, const BatchNormOptions& options,
                     bool synchronized)
    : Layer("BatchNorm" + std::to_string(dimensions) + "d",
            {{"num_features", num_features},
             {"eps", options.eps},
             {"momentum", options.momentum ? Attr(*options.momentum) : Attr()},
             {"affine", options.affine},
             {"track_running_stats", options.track_running_stats},
             {"eps_mode", options.clamp ? "clamp" : "plus"}}),
      synchronized_(synchronized) {
  if (num_features < 1)
    throw Error(Fault::usage, "E0434",
                type_ + ": num_features is " + std::to_string(num_features) + ", at least 1");
  if (options.affine) {
    tensors_["weight"] = filled(num_features, 1);
    tensors_["bias"] = filled(num_features, 0);
  }
  if (!options.track_running_stats) return;
  tensors_["running_mean"] = filled(num_features, 0);
  tensors_["running_var"] = filled(num_features, 1);
  tensors_["num_batches_tracked"] = Array::zeros(DType::i64, {});
}

std::string BatchNorm::description() const {
  return std::string(synchronized_ ? "s" : "l") + (freeze_stats_ ? "f" : "");
}

std::vector<std::string> convert_sync_batchnorm(Module& root) {
  std::vector<std::string> changed;
  for (auto& [path, module] : modules_of(root))
    if (auto* norm = dynamic_cast<BatchNorm*>(module); norm && !norm->synchronized()) {
      norm->set_synchronized(true);
      changed.push_back(path);
    }
  return changed;
}

std::vector<std::string> revert_sync_batchnorm(Module& root) {
  std::vector<std::string> synchronized;
  for (auto& [path, module] : modules_of(root))
    if (auto* norm = dynamic_cast<BatchNorm*>(module); norm && norm->synchronized())
      synchronized.push_back(path);
  return revert_sync_batchnorm(root, synchronized);
}

std::vector<std::string> revert_sync_batchnorm(Module& root,
                                               const std::vector<std::string>& converted) {
  std::vector<std::string> changed;
  for (auto& [path, module] : modules_of(root)) {
    auto* norm = dynamic_cast<BatchNorm*>(module);
    if (!norm || !norm->synchronized() || std::ranges::find(converted, path) == converted.end())
      continue;
    norm->set_synchronized(false);
    changed.push_back(path);
  }
  return changed;
}

Symbol apply(const std::string& type, const std::vector<Symbol>& x, Dict params) {
  return network_of(x).apply(type, x, std::move(params));
}

}  // namespace braid
