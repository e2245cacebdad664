#include <braid/runtime/data_parallel.h>

#include <algorithm>

#include "replication.h"
#include "tracer.h"

namespace braid {
namespace {

constexpr std::string_view prefix = "module.";

std::string own_name(const std::string& key) {
  return key.starts_with(prefix) ? key.substr(prefix.size()) : key;
}

Type type_of(const Array& array, size_t index) {
  if (array.dims.empty())
    throw Error(Fault::data, "E0352",
                "input " + std::to_string(index) + " has no dimension to cut: " + to_string(array));
  Type type{array.dtype, {N}};
  for (size_t i = 1; i < array.dims.size(); ++i) type.shape.push_back(array.dims[i]);
  return type;
}

// Whether a module has this tensor; those of functional layers stay with the session.
bool owns(Module& root, const std::string& name) {
  auto dot = name.rfind('.');
  std::string path = dot == std::string::npos ? "" : name.substr(0, dot);
  auto all = modules_of(root);
  return std::ranges::any_of(all, [&](auto& m) { return m.first == path; });
}

// What functional layers have learned goes on in the next session; modules bring their own.
void hand_over(const State& from, State& to) {
  auto tensors = to.weights();
  for (auto& [key, tensor] : from.weights())
    if (auto found = tensors.find(key); found != tensors.end() &&
                                        found->second.dtype == tensor.dtype &&
                                        found->second.dims == tensor.dims)
      found->second = std::move(tensor);
  to.load(tensors, "the session before", false);
}

// The seed's method on modules, as hooks that are bound by path.
Hooks with_methods(const Hooks& bound, Module& root) {
  Hooks hooks;
  for (auto& [path, module] : modules_of(root))
    if (auto* hook = dynamic_cast<OnReplicate*>(module))
      hooks.on_replicate(
          at(path.empty() ? "module" : "module." + path),
          [hook](CallbackContext& ctx, int copy) { hook->on_replicate(ctx, copy); },
          module->type() + "::on_replicate");
  hooks.append(bound);
  return hooks;
}

}  // namespace

struct DataParallel::Impl {
  std::shared_ptr<Module> module;
  std::vector<int> ids;
  DataParallelOptions options;
  bool calls_back = false;
  std::string described;  // what the session was made for
  std::unique_ptr<Session> session;
  std::vector<Array> inputs;  // of the last forward
  int64_t calls = 0;
  ProgramKey last = {};

  std::vector<std::string> devices() const {
    std::vector<std::string> names;
    for (int id : ids) names.push_back(options.device + ":" + std::to_string(id));
    return names;
  }
  std::string description(const std::vector<Type>& types) const;
  void prepare(const std::vector<Array>& x);
  void push();
  void pull();
  std::map<std::string, Array> named(const std::vector<Array>& arrays, const char* name) const;
  ProgramKey key(Goal goal, bool training, bool write) const;
};

// What decides the Model: the types of the inputs and the flags of the modules.
std::string DataParallel::Impl::description(const std::vector<Type>& types) const {
  std::string text = calls_back ? "sync" : "";
  for (auto& type : types) text += to_string(type) + ";";
  for (auto& [path, m] : modules_of(*module)) {
    text += m->is_training() ? 't' : 'e';
    text += m->requires_grad() ? 'g' : '-';
    if (auto* norm = dynamic_cast<BatchNorm*>(m)) text += norm->description();
  }
  return text;
}

void DataParallel::Impl::prepare(const std::vector<Array>& x) {
  if (x.empty()) throw Error(Fault::usage, "E0439", "forward was given no input");
  std::vector<Type> types;
  for (size_t i = 0; i < x.size(); ++i) types.push_back(type_of(x[i], i));
  std::string now = description(types);
  if (now == described) return push();
  Model model = trace(*module, types, calls_back);
  model.replicas = int64_t(ids.size());
  model.seed = options.seed;
  Hooks hooks;
  if (calls_back)
    hooks = with_methods(options.hooks, *module);
  else
    hooks.append_steps(options.hooks);  // without replication nobody is called back
  auto made = std::make_unique<Session>(std::move(model), SessionOptions{.devices = devices(),
                                                                         .threads = options.threads,
                                                                         .engine = options.engine,
                                                                         .hooks = std::move(hooks),
                                                                         .backend = options.backend,
                                                                         .replicate = false,
                                                                         .chunk = options.chunk});
  Diagnostics found;
  for (auto var : check(made->model(), made->registry(), found).states) {
    if (options.engine == "reference" && var.type.dtype == DType::f32) var.type.dtype = DType::f64;
    made->state().add(var);
  }
  found.raise();
  if (session) hand_over(session->state(), made->state());
  session = std::move(made);
  described = std::move(now);
  push();
  pull();
}

// The modules' tensors are the truth; the session works on copies.
void DataParallel::Impl::push() {
  auto tensors = session->state().weights();
  auto mine = module->state_dict();
  for (auto& [key, tensor] : tensors)
    if (auto found = mine.find(own_name(key)); found != mine.end()) tensor = found->second;
  session->state().load(tensors, "the module", false);
}

void DataParallel::Impl::pull() {
  std::map<std::string, Array> mine;
  for (auto& [key, tensor] : session->state().weights()) {
    std::string name = own_name(key);
    if (owns(*module, name)) mine[name] = std::move(tensor);
  }
  module->load_state_dict(mine);
}

std::map<std::string, Array> DataParallel::Impl::named(const std::vector<Array>& arrays,
                                                       const char* name) const {
  std::map<std::string, Array> out;
  for (size_t i = 0; i < arrays.size(); ++i) out[name + std::to_string(i)] = arrays[i];
  return out;
}

DataParallel::DataParallel(std::shared_ptr<Module> module, std::vector<int> device_ids,
                           DataParallelOptions options)
    : impl_(std::make_unique<Impl>()) {
  if (device_ids.empty())
    throw Error(Fault::device, "E0438", "no device ids: name at least one, as in {0, 1}");
  for (int id : device_ids)
    if (id < 0)
      throw Error(Fault::device, "E0438",
                  "the device id " + std::to_string(id) + " is negative; ids count from 0");
  register_module("module", module);
  impl_->module = std::move(module);
  impl_->ids = std::move(device_ids);
  impl_->options = std::move(options);
  for (auto& device : impl_->devices()) check_device(device);
}

DataParallel::~DataParallel() = default;

Module& DataParallel::module() const { return *impl_->module; }
const std::vector<int>& DataParallel::device_ids() const { return impl_->ids; }
bool DataParallel::calls_back() const { return impl_->calls_back; }

const Plan& DataParallel::plan() const {
  if (!impl_->session) throw Error(Fault::usage, "E0439", "there is no plan before the first run");
  return impl_->session->plan(impl_->last);
}

Array DataParallel::forward(const Array& x) {
  return std::move(forward(std::vector<Array>{x}).at(0));
}

std::vector<Array> DataParallel::forward(const std::vector<Array>& x) {
  auto& i = *impl_;
  i.prepare(x);
  if (i.calls_back) i.session->replicate();
  bool training = i.module->is_training();
  int64_t step = i.calls++;
  i.inputs.clear();
  auto results = i.session->run(
      i.named(x, "input"), {},
      {.mode = training ? Mode::train : Mode::eval, .write_state = training, .step = step});
  i.last = {.mode = training ? Mode::train : Mode::eval,
            .batch = x[0].dims[0],
            .goal = training ? Goal::forward : Goal::step,
            .write_state = training};
  for (auto& output : i.session->model().outputs) i.last.wanted.push_back(output.name);
  if (training) {
    i.pull();
    i.inputs = x;
  }
  std::vector<Array> out;
  for (size_t k = 0; k < results.size(); ++k)
    out.push_back(std::move(results.at("output" + std::to_string(k))));
  return out;
}

DataParallel::Gradients DataParallel::backward(const Array& dy) {
  return backward(std::vector<Array>{dy});
}

DataParallel::Gradients DataParallel::backward(const std::vector<Array>& dy) {
  auto& i = *impl_;
  if (i.inputs.empty())
    throw Error(Fault::usage, "E0439",
                "backward needs the inputs of a forward in training mode, and there was none")
        .help("call train() and forward(x) before backward(dy)");
  i.prepare(i.inputs);
  auto all = i.session->backward(i.named(i.inputs, "input"), i.named(dy, "output"),
                                 {.write_state = false, .step = i.calls - 1});
  Gradients out;
  for (size_t k = 0; k < i.inputs.size(); ++k)
    if (auto found = all.inputs.find("input" + std::to_string(k)); found != all.inputs.end())
      out.inputs.push_back(std::move(found->second));
  for (auto& [key, gradient] : all.parameters) out.parameters[own_name(key)] = std::move(gradient);
  return out;
}

Symbol DataParallel::forward(Symbol x) { return (*impl_->module)(x); }
std::vector<Symbol> DataParallel::forward(const std::vector<Symbol>& x) {
  return (*impl_->module)(x);
}

DataParallelWithCallback::DataParallelWithCallback(std::shared_ptr<Module> module,
                                                   std::vector<int> device_ids,
                                                   DataParallelOptions options)
    : DataParallel(std::move(module), std::move(device_ids), std::move(options)) {
  patch_replication_callback(*this);
}

void patch_replication_callback(Module& module) {
  auto* parallel = dynamic_cast<DataParallel*>(&module);
  if (!parallel)
    throw Error(Fault::usage, "E0437",
                "patch_replication_callback takes a DataParallel, this is a " + module.type())
        .help("wrap the module first: DataParallel parallel(module, {0, 1})");
  parallel->impl_->calls_back = true;  // the next forward finds its description changed
}

std::vector<std::shared_ptr<CallbackContext>> execute_replication_callbacks(
    const std::vector<Module*>& modules) {
  if (modules.empty())
    throw Error(Fault::usage, "E0435", "execute_replication_callbacks was given no modules");
  std::vector<std::vector<std::pair<std::string, Module*>>> copies;
  for (size_t copy = 0; copy < modules.size(); ++copy) {
    if (!modules[copy])
      throw Error(Fault::usage, "E0435", "copy " + std::to_string(copy) + " is a null pointer");
    copies.push_back(modules_of(*modules[copy]));
    check_alike(copies[0], copies[copy], copy);
  }
  std::vector<std::shared_ptr<CallbackContext>> contexts;
  for (size_t i = 0; i < copies[0].size(); ++i)
    contexts.push_back(std::make_shared<CallbackContext>());
  for (size_t copy = 0; copy < copies.size(); ++copy)
    for (size_t i = 0; i < copies[copy].size(); ++i) {
      auto& [path, module] = copies[copy][i];
      if (auto* hook = dynamic_cast<OnReplicate*>(module))
        call_on_replicate(
            {.what = module->type() + "::on_replicate", .layer = path, .copy = int(copy)},
            [&] { hook->on_replicate(*contexts[i], int(copy)); });
    }
  return contexts;
}

}  // namespace braid
