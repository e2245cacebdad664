#include <braid/core/registry.h>

#include <algorithm>

namespace braid {
namespace {

std::string kernel_key(std::string_view op, std::string_view device) {
  return std::string(op) + "@" + std::string(device);
}

// merge(l, r) -> o of pair `i` of k.
Signature pair_of(const Signature& s, size_t i) {
  size_t k = s.out.size();
  return {.op = s.op, .attrs = s.attrs, .in = {s.in[i], s.in[k + i]}, .out = {s.out[i]}};
}

// A binary merge, applied to one pair after the other: [l1 .. lk, r1 .. rk] -> [o1 .. ok].
Offer join_pairs(const std::vector<Offer>& pairs) {
  size_t k = pairs.size();
  Offer all{.impl = pairs[0].impl, .alias = pairs[0].alias == 1 ? int(k) : pairs[0].alias};
  for (size_t side : {0, 1})
    for (auto& pair : pairs) all.in_formats.push_back(pair.in_formats[side]);
  for (auto& pair : pairs) {
    all.out_formats.push_back(pair.out_formats[0]);
    all.workspace = std::max(all.workspace, pair.workspace);
    if (all.impl.find(pair.impl) == std::string::npos) all.impl += "+" + pair.impl;
  }
  all.bind = [pairs, k]() -> KernelBody {
    std::vector<KernelBody> bodies;
    for (auto& pair : pairs) bodies.push_back(pair.bind());
    return [bodies, k](const KernelArgs& a) {
      for (size_t i = 0; i < k; ++i) {
        void* sides[] = {a.inputs[i], a.inputs[k + i]};
        KernelArgs one = a;
        one.inputs = sides;
        one.outputs = a.outputs + i;
        bodies[i](one);
      }
    };
  };
  return all;
}

}  // namespace

void Registry::add(OpDef op) {
  auto name = op.name;
  ops_.insert_or_assign(std::move(name), std::move(op));
}

void Registry::add(LayerDef layer) {
  auto name = layer.name;
  layers_.insert_or_assign(std::move(name), std::move(layer));
}

void Registry::add(Kernel kernel) {
  kernels_[kernel_key(kernel.op, kernel.device)].push_back(std::move(kernel));
}

const OpDef* Registry::op(std::string_view name) const {
  auto found = ops_.find(name);
  return found == ops_.end() ? nullptr : &found->second;
}

const LayerDef* Registry::layer(std::string_view name) const {
  auto found = layers_.find(name);
  return found == layers_.end() ? nullptr : &found->second;
}

std::vector<std::string> Registry::layers(Role role) const {
  std::vector<std::string> names;
  for (auto& [name, layer] : layers_)
    if (layer.role == role) names.push_back(name);
  return names;
}

std::vector<std::string> Registry::ops() const {
  std::vector<std::string> names;
  for (auto& [name, op] : ops_) names.push_back(name);
  return names;
}

bool Registry::has_kernel(std::string_view op, std::string_view device) const {
  return kernels_.contains(kernel_key(op, device));
}

std::optional<Offer> Registry::offer(const Signature& signature, const DeviceTraits& traits) const {
  if (signature.op.starts_with("merge_") && signature.out.size() > 1) {
    std::vector<Offer> pairs;
    for (size_t i = 0; i < signature.out.size(); ++i) {
      auto pair = offer(pair_of(signature, i), traits);
      if (!pair) return std::nullopt;
      pairs.push_back(std::move(*pair));
    }
    return join_pairs(pairs);
  }
  auto found = kernels_.find(kernel_key(signature.op, traits.kind));
  if (found == kernels_.end()) return std::nullopt;
  for (auto k = found->second.rbegin(); k != found->second.rend(); ++k)
    if (auto offer = k->offer(signature, traits)) return offer;
  return std::nullopt;
}

}  // namespace braid
