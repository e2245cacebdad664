#include <braid/runtime/state.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>

#include <braid/core/error.h>
#include <braid/core/glob.h>
#include <braid/core/init.h>

namespace braid {
namespace {

constexpr size_t shown = 12;  // keys listed in a message

void list(Diagnostic& d, const std::string& title, const std::vector<std::string>& keys) {
  if (keys.empty()) return;
  d.note({}, title + ":");
  for (size_t i = 0; i < keys.size() && i < shown; ++i) d.note({}, "  " + keys[i]);
  if (keys.size() > shown) d.note({}, "  ... and " + std::to_string(keys.size() - shown) + " more");
}

bool is_allowed(const std::vector<std::string>& patterns, const std::string& key) {
  return std::ranges::any_of(patterns, [&](auto& pattern) { return glob(pattern, key); });
}

// What an .npy file holds, as the variable begins: f32 or f64 there, wider in the f64 engine.
void read_initial(const StateVar& var, std::vector<std::byte>& to) {
  const Array array = read_npy(var.init.path);
  const bool wide = array.dtype == DType::f64;
  if ((!wide && array.dtype != DType::f32) || array.dims != var.type.dims(0))
    throw Error(Fault::data, "E0314",
                "'" + var.init.path + "' holds " + to_string(array) + ", and '" + var.key +
                    "' begins as " + to_string(var.type));
  auto copy = [&](auto from) {
    for (size_t i = 0; i < from.size(); ++i) {
      const auto rounded = float(from[i]);  // every engine starts from the same numbers
      if (var.type.dtype == DType::f64)
        reinterpret_cast<double*>(to.data())[i] = double(rounded);
      else
        reinterpret_cast<float*>(to.data())[i] = rounded;
    }
  };
  wide ? copy(array.as<double>()) : copy(array.as<float>());
}

}  // namespace

State::State(Placements placements, uint64_t seed)
    : placements_(std::move(placements)), seed_(seed), copies_(placements_.size()) {}

State::~State() {
  for (size_t d = 0; d < copies_.size(); ++d)
    for (void* memory : copies_[d]) placements_[d]->release(memory);
}

int State::find(const std::string& key) const {
  std::lock_guard lock(adding_);
  return known(key);
}

size_t State::size() const {
  std::lock_guard lock(adding_);
  return vars_.size();
}

const StateVar& State::var(int i) const {
  std::lock_guard lock(adding_);
  return vars_[size_t(i)];
}

void* State::data(int device, int var) const {
  std::lock_guard lock(adding_);
  return copies_[size_t(device)][size_t(var)];
}

int State::known(const std::string& key) const {
  auto found = by_key_.find(key);
  return found == by_key_.end() ? -1 : found->second;
}

int State::add(const StateVar& var) {
  std::lock_guard lock(adding_);
  if (int old = known(var.key); old >= 0) {
    if (!(vars_[size_t(old)].type == var.type))
      bug("variable '" + var.key + "' has two types: " + to_string(vars_[size_t(old)].type) +
          " and " + to_string(var.type));
    return old;
  }
  // A variable that finds no memory on one device is on none: State stays as it was.
  auto bytes = var.type.bytes(0);
  std::vector<std::byte> first(size_t(std::max<int64_t>(bytes, 1)));
  auto elements = size_t(var.type.elements(0));
  if (var.init.law == Init::Law::file)
    read_initial(var, first);
  else if (var.type.dtype == DType::f32)
    fill(var.init, seed_, var.key, std::span(reinterpret_cast<float*>(first.data()), elements));
  else if (var.type.dtype == DType::f64)
    fill(var.init, seed_, var.key, std::span(reinterpret_cast<double*>(first.data()), elements));
  std::vector<void*> taken;
  try {
    for (auto& placement : placements_) {
      taken.push_back(placement->allocate(bytes));
      placement->write(taken.back(), first.data(), bytes);
    }
  } catch (const Error& e) {
    for (size_t d = 0; d < taken.size(); ++d) placements_[d]->release(taken[d]);
    auto d = e.diagnostics().front();
    d.message += ", for variable '" + var.key + "'";
    throw Error(e.fault(), {std::move(d)});
  }
  int id = int(vars_.size());
  vars_.push_back(var);
  by_key_[var.key] = id;
  for (size_t d = 0; d < taken.size(); ++d) copies_[d].push_back(taken[d]);
  return id;
}

Array State::array_of(int i) const {
  auto& var = vars_[size_t(i)];
  bool wide = var.type.dtype == DType::f64;
  Array array = Array::zeros(wide ? DType::f32 : var.type.dtype, var.type.dims(0));
  auto& from = *placements_[0];
  if (!wide) {
    from.read(array.bytes.data(), data(0, i), int64_t(array.bytes.size()));
  } else {
    auto to = array.as<float>();
    std::vector<double> values(to.size());
    from.read(values.data(), data(0, i), var.type.bytes(0));
    for (size_t k = 0; k < to.size(); ++k) to[k] = float(values[k]);
  }
  return array;
}

std::map<std::string, Array> State::weights() const {
  std::map<std::string, Array> out;
  for (size_t i = 0; i < vars_.size(); ++i)
    if (vars_[i].kind != StateVar::Kind::optimizer) out.emplace(vars_[i].key, array_of(int(i)));
  return out;
}

std::map<std::string, Array> State::all() const {
  std::map<std::string, Array> out;
  for (size_t i = 0; i < vars_.size(); ++i) out.emplace(vars_[i].key, array_of(int(i)));
  return out;
}

void State::write(int i, const void* from) {
  for (size_t d = 0; d < placements_.size(); ++d)
    placements_[d]->write(copies_[d][size_t(i)], from, vars_[size_t(i)].type.bytes(0));
}

void State::assign(int i, const Array& array) {
  if (vars_[size_t(i)].type.dtype != DType::f64) return write(i, array.bytes.data());
  auto from = array.as<float>();
  std::vector<double> wide(from.begin(), from.end());
  write(i, wide.data());
}

void State::load(const std::map<std::string, Array>& tensors, const std::string& from,
                 bool everything, const WeightsDecl& allowed) {
  std::vector<std::string> missing, surplus, misshapen;
  std::vector<bool> fits(vars_.size(), false);
  for (size_t i = 0; i < vars_.size(); ++i) {
    auto& var = vars_[i];
    auto found = tensors.find(var.key);
    if (found == tensors.end()) {
      bool needed = everything || var.kind != StateVar::Kind::optimizer;
      if (needed && !is_allowed(allowed.missing, var.key)) missing.push_back(var.key);
      continue;
    }
    DType wanted = var.type.dtype == DType::f64 ? DType::f32 : var.type.dtype;
    fits[i] = found->second.dtype == wanted && found->second.dims == var.type.dims(0);
    if (!fits[i] && !is_allowed(allowed.misshapen, var.key))
      misshapen.push_back(var.key + ": file " + to_string(found->second) + ", model " +
                          to_string(Type{wanted, var.type.shape}));
  }
  for (auto& [key, array] : tensors)
    if (find(key) < 0 && !is_allowed(allowed.extra, key))
      surplus.push_back(key + " " + to_string(array));
  if (!missing.empty() || !surplus.empty() || !misshapen.empty()) {
    Diagnostic d{.code = "E0313", .message = from + " does not fit the model"};
    list(d, "missing in the file", missing);
    list(d, "not in the model", surplus);
    list(d, "of another shape", misshapen);
    d.help(
        "`braid weights FILE` lists what a file holds, `braid check NET` what the model has; what\n"
        "may differ is named by weights: {rename: {...}, missing: [...], extra: [...], misshapen: "
        "[...]}");
    throw Error(Fault::data, {d});
  }
  for (size_t i = 0; i < vars_.size(); ++i)
    if (fits[i]) assign(int(i), tensors.at(vars_[i].key));
}

void State::exchange_averages() {
  std::vector<std::byte> average, weight;
  for (size_t i = 0; i < vars_.size(); ++i) {
    int of = find("optimizer." + vars_[i].key + ".ema");
    if (of < 0) continue;
    const auto bytes = vars_[i].type.bytes(0);
    average.resize(size_t(bytes)), weight.resize(size_t(bytes));
    for (size_t d = 0; d < placements_.size(); ++d) {
      void *weights = copies_[d][i], *averages = copies_[d][size_t(of)];
      placements_[d]->read(weight.data(), weights, bytes);
      placements_[d]->read(average.data(), averages, bytes);
      placements_[d]->write(weights, average.data(), bytes);
      placements_[d]->write(averages, weight.data(), bytes);
    }
  }
}

int64_t State::bytes() const {
  int64_t total = 0;
  for (auto& var : vars_) total += var.type.bytes(0);
  return total;
}

uint64_t State::digest(int device) const {
  uint64_t h = 0;
  std::vector<std::byte> bytes;
  for (auto& [key, i] : by_key_) {
    bytes.resize(size_t(vars_[size_t(i)].type.bytes(0)));
    placements_[size_t(device)]->read(bytes.data(), data(device, i), int64_t(bytes.size()));
    h = XXH64(bytes.data(), bytes.size(), h);
  }
  return h;
}

}  // namespace braid
