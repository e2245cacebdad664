#include <braid/runtime/hooks.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include <braid/runtime/array.h>

#include "replication.h"

namespace braid {
namespace {

Mark call_site(const char* file, int line) {
  return {std::make_shared<const Source>(Source{file, ""}), line, 0};
}

std::string name_or_place(const std::string& name, const Mark& mark) {
  if (!name.empty()) return name;
  std::string text = to_string(mark);
  auto slash = text.rfind('/');
  return slash == std::string::npos ? text : text.substr(slash + 1);
}

template <class T>
std::span<const T> elements_as(const HookTensor& t, DType wanted) {
  if (t.dtype != wanted)
    throw Error(Fault::usage, "E0427",
                "'" + t.name + "' holds " + std::string(to_string(t.dtype)) + ", not " +
                    std::string(to_string(wanted)));
  return {reinterpret_cast<const T*>(t.bytes.data()), t.bytes.size() / sizeof(T)};
}

template <class T>
std::span<T> edited(const HookTensor& t, std::span<const T> read) {
  if (!t.writable)
    throw Error(Fault::usage, "E0427",
                "'" + t.name + "' is shown to read: this hook was not bound with `mutates`")
        .help("bind it with {.mutates = true}; a Callback with ports writes what it makes");
  return {reinterpret_cast<T*>(t.writable), read.size()};
}

}  // namespace

void CallbackContext::missing(const char* type, std::string_view name) {
  throw Error(Fault::usage, "E0427",
              "the context has no value of type " + std::string(type) +
                  (name.empty() ? "" : " named '" + std::string(name) + "'"))
      .help("the hook of replica 0 runs first: emplace it there");
}

int64_t HookTensor::elements() const {
  int64_t n = 1;
  for (int64_t d : dims) n *= d;
  return n;
}
std::span<const float> HookTensor::f32() const { return elements_as<float>(*this, DType::f32); }
std::span<const double> HookTensor::f64() const { return elements_as<double>(*this, DType::f64); }
std::span<const int64_t> HookTensor::i64() const { return elements_as<int64_t>(*this, DType::i64); }

std::span<float> HookTensor::edit() const { return edited(*this, f32()); }
std::span<double> HookTensor::edit_f64() const { return edited(*this, f64()); }
std::span<int64_t> HookTensor::edit_i64() const { return edited(*this, i64()); }

void HookTensor::assign(const Array& array) const {
  edited(*this, std::span<const std::byte>(bytes));  // or throws
  if (array.dtype != dtype || array.dims != dims) {
    const Array own{.dtype = dtype, .dims = dims};
    throw Error(Fault::usage, "E0427",
                "'" + name + "' is " + to_string(own) + ", and was given " + to_string(array));
  }
  std::memcpy(writable, array.bytes.data(), array.bytes.size());
}

const HookTensor& HookVisit::operator[](std::string_view name) const {
  std::vector<std::string> names;
  for (auto* side : {&slices.front().values, &slices.front().inputs})
    for (auto& tensor : *side) {
      if (tensor.name == name) return tensor;
      names.push_back(tensor.name);
    }
  throw Error(Fault::usage, "E0427",
              "it is shown no '" + std::string(name) + "'" + did_you_mean(std::string(name), names))
      .help("it is shown " + listed(names));
}

std::span<const double> HookVisit::moments(size_t row) const {
  if (kind != HookKind::stats)
    throw Error(Fault::usage, "E0427", "only on_stats hooks are shown moments");
  auto all = values().f64();
  size_t channels = all.size() / 3;
  return all.subspan(row * channels, channels);
}

double HookVisit::result(const std::string& name) const {
  auto found = results.find(name);
  return found == results.end() ? std::numeric_limits<double>::quiet_NaN() : found->second;
}

HookPlace at(std::string layer, const char* file, int line) {
  return {std::move(layer), {}, call_site(file, line)};
}
HookPlace of_type(std::string type, const char* file, int line) {
  return {{}, std::move(type), call_site(file, line)};
}

Hooks& Hooks::add(HookSpec spec, Replicate replicate, Visit visit) {
  spec.name = name_or_place(spec.name, spec.mark);
  if (!replicate && !visit)
    throw Error(
        Fault::usage, "E0427",
        "hook " + std::string(to_string(spec.kind)) + " '" + spec.name + "': the function is empty",
        spec.mark);
  specs_.push_back(std::move(spec));
  replicates_.push_back(std::move(replicate));
  visits_.push_back(std::move(visit));
  return *this;
}

Hooks& Hooks::bind(std::string name, Replicate hook, const char* file, int line) {
  for (size_t i = 0; i < specs_.size(); ++i)
    if (specs_[i].called == name && hook && replicates_[i]) {
      specs_[i].mark = call_site(file, line);
      replicates_[i] = std::move(hook);
      return *this;
    }
  return add(
      {.kind = HookKind::replicate, .name = name, .called = name, .mark = call_site(file, line)},
      std::move(hook), {});
}

Hooks& Hooks::bind(std::string name, Visit hook, const char* file, int line) {
  for (size_t i = 0; i < specs_.size(); ++i)
    if (specs_[i].called == name && hook && visits_[i]) {
      specs_[i].mark = call_site(file, line);
      visits_[i] = std::move(hook);
      return *this;
    }
  return add(
      {.kind = HookKind::forward, .name = name, .called = name, .mark = call_site(file, line)}, {},
      std::move(hook));
}

Hooks& Hooks::on_replicate(HookPlace where, Replicate hook, std::string name) {
  return add({.kind = HookKind::replicate,
              .name = std::move(name),
              .layer = std::move(where.layer),
              .type = std::move(where.type),
              .mark = where.mark},
             std::move(hook), {});
}

Hooks& Hooks::add(HookKind kind, HookPlace where, Visit hook, HookOptions options) {
  auto refuse = [&](const char* why) {
    throw Error(Fault::usage, "E0427",
                "hook " + std::string(to_string(kind)) + " '" +
                    name_or_place(options.name, where.mark) + "' " + why,
                where.mark);
  };
  if (kind == HookKind::stats && options.mutates)
    refuse("cannot write: moments are what all replicas agreed on");
  if (kind == HookKind::stats && options.joined)
    refuse("is joined by nature: merged moments are shown once");
  if (kind == HookKind::backward && options.mutates && options.inputs)
    refuse("writes before the gradients of the inputs are known: bind a second one that reads");
  return add({.kind = kind,
              .name = std::move(options.name),
              .layer = std::move(where.layer),
              .type = std::move(where.type),
              .joined = options.joined,
              .mutates = options.mutates,
              .inputs = options.inputs,
              .mark = where.mark},
             {}, std::move(hook));
}

Hooks& Hooks::on_forward(HookPlace where, Visit hook, HookOptions options) {
  return add(HookKind::forward, std::move(where), std::move(hook), std::move(options));
}
Hooks& Hooks::on_backward(HookPlace where, Visit hook, HookOptions options) {
  return add(HookKind::backward, std::move(where), std::move(hook), std::move(options));
}
Hooks& Hooks::on_stats(HookPlace where, Visit hook, HookOptions options) {
  return add(HookKind::stats, std::move(where), std::move(hook), std::move(options));
}
Hooks& Hooks::on_step(Visit hook, std::string name, const char* file, int line) {
  return add({.kind = HookKind::step, .name = std::move(name), .mark = call_site(file, line)}, {},
             std::move(hook));
}

Hooks& Hooks::append(const Hooks& other) {
  for (size_t i = 0; i < other.specs_.size(); ++i) {
    auto& called = other.specs_[i].called;
    auto mine = std::ranges::find_if(
        specs_, [&](auto& s) { return s.called == called && s.kind == other.specs_[i].kind; });
    if (called.empty() || mine == specs_.end()) {
      add(other.specs_[i], other.replicates_[i], other.visits_[i]);
      continue;
    }
    const auto at = size_t(mine - specs_.begin());  // bound twice: the later one
    *mine = other.specs_[i];
    replicates_[at] = other.replicates_[i];
    visits_[at] = other.visits_[i];
  }
  return *this;
}

Hooks Hooks::only(const std::function<bool(const HookSpec&)>& keep) const {
  Hooks kept;
  for (size_t i = 0; i < specs_.size(); ++i)
    if (keep(specs_[i])) kept.add(specs_[i], replicates_[i], visits_[i]);
  return kept;
}

Hooks& Hooks::append_steps(const Hooks& other) {
  for (size_t i = 0; i < other.specs_.size(); ++i)
    if (other.specs_[i].kind != HookKind::replicate) add(other.specs_[i], {}, other.visits_[i]);
  return *this;
}

std::vector<std::shared_ptr<CallbackContext>> replicate(const Model& model, const Hooks& hooks,
                                                        int replicas) {
  std::vector<std::shared_ptr<CallbackContext>> contexts;
  auto all = positions(model);
  for (size_t i = 0; i < all.size(); ++i) contexts.push_back(std::make_shared<CallbackContext>());
  auto points = replication_points(model, hooks.specs());
  for (int copy = 0; copy < replicas; ++copy)
    for (auto& point : points) {
      auto& spec = hooks.specs()[size_t(point.spec)];
      call_on_replicate(
          {.what = spec.name,
           .layer = point.layer,
           .copy = copy,
           .layer_mark = point.mark,
           .bound = spec.mark},
          [&] { hooks.replicate(point.spec, *contexts[size_t(point.position)], copy); });
    }
  return contexts;
}

}  // namespace braid
