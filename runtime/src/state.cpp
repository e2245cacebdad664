#include <braid/runtime/state.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstdlib>
#include <cstring>

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

void State::Free::operator()(void* p) const { std::free(p); }

State::State(int devices, uint64_t seed)
    : devices_(devices), seed_(seed), copies_(size_t(devices)) {}

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
  int id = int(vars_.size());
  vars_.push_back(var);
  by_key_[var.key] = id;
  auto elements = size_t(var.type.elements(0));
  size_t bytes = std::max<size_t>(64, (size_t(var.type.bytes(0)) + 63) / 64 * 64);
  for (auto& copy : copies_) {
    void* memory = std::aligned_alloc(64, bytes);
    if (!memory) throw Error(Fault::run, "E0401", "out of memory for variable '" + var.key + "'");
    std::memset(memory, 0, bytes);
    copy.emplace_back(memory);
    if (var.type.dtype == DType::f32)
      fill(var.init, seed_, var.key, std::span(static_cast<float*>(memory), elements));
    else if (var.type.dtype == DType::f64)
      fill(var.init, seed_, var.key, std::span(static_cast<double*>(memory), elements));
  }
  return id;
}

Array State::array_of(int i) const {
  auto& var = vars_[size_t(i)];
  bool wide = var.type.dtype == DType::f64;
  Array array = Array::zeros(wide ? DType::f32 : var.type.dtype, var.type.dims(0));
  if (!wide) {
    std::memcpy(array.bytes.data(), data(0, i), array.bytes.size());
  } else {
    auto from = static_cast<const double*>(data(0, i));
    auto to = array.as<float>();
    for (size_t k = 0; k < to.size(); ++k) to[k] = float(from[k]);
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

void State::assign(int i, const Array& array) {
  auto& var = vars_[size_t(i)];
  for (int d = 0; d < devices_; ++d) {
    if (var.type.dtype == DType::f64) {
      auto from = array.as<float>();
      for (size_t k = 0; k < from.size(); ++k) at<double>(d, i)[k] = double(from[k]);
    } else {
      std::memcpy(data(d, i), array.bytes.data(), array.bytes.size());
    }
  }
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
  for (auto& [key, i] : by_key_)
    h = XXH64(data(device, i), size_t(vars_[size_t(i)].type.bytes(0)), h);
  return h;
}

}  // namespace braid
