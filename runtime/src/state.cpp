#include <braid/runtime/state.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

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

}  // namespace

State::State(Placements placements, uint64_t seed)
    : placements_(std::move(placements)), seed_(seed), copies_(placements_.size()) {}

State::~State() {
  for (size_t d = 0; d < copies_.size(); ++d)
    for (void* memory : copies_[d]) placements_[d]->release(memory);
}

int State::find(const std::string& key) const {
  auto found = by_key_.find(key);
  return found == by_key_.end() ? -1 : found->second;
}

int State::add(const StateVar& var) {
  if (int known = find(var.key); known >= 0) {
    if (!(vars_[size_t(known)].type == var.type))
      bug("variable '" + var.key + "' has two types: " + to_string(vars_[size_t(known)].type) +
          " and " + to_string(var.type));
    return known;
  }
  // A variable that finds no memory on one device is on none: State stays as it was.
  auto bytes = var.type.bytes(0);
  std::vector<std::byte> first(size_t(std::max<int64_t>(bytes, 1)));
  auto elements = size_t(var.type.elements(0));
  if (var.type.dtype == DType::f32)
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
                 bool everything) {
  std::vector<std::string> missing, surplus, misshapen;
  for (auto& var : vars_) {
    auto found = tensors.find(var.key);
    if (found == tensors.end()) {
      if (everything || var.kind != StateVar::Kind::optimizer) missing.push_back(var.key);
      continue;
    }
    DType wanted = var.type.dtype == DType::f64 ? DType::f32 : var.type.dtype;
    if (found->second.dtype != wanted || found->second.dims != var.type.dims(0))
      misshapen.push_back(var.key + ": file " + to_string(found->second) + ", model " +
                          to_string(Type{wanted, var.type.shape}));
  }
  for (auto& [key, array] : tensors)
    if (find(key) < 0) surplus.push_back(key + " " + to_string(array));
  if (!missing.empty() || !surplus.empty() || !misshapen.empty()) {
    Diagnostic d{.code = "E0313", .message = from + " does not fit the model"};
    list(d, "missing in the file", missing);
    list(d, "not in the model", surplus);
    list(d, "of another shape", misshapen);
    d.help("`braid weights FILE` lists what a file holds, `braid check NET` what the model has");
    throw Error(Fault::data, {d});
  }
  for (size_t i = 0; i < vars_.size(); ++i)
    if (auto found = tensors.find(vars_[i].key); found != tensors.end())
      assign(int(i), found->second);
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
