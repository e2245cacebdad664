#include <braid/core/registry.h>

namespace braid {

static std::string kernel_key(std::string_view op, std::string_view device) {
  return std::string(op) + "@" + std::string(device);
}

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
  auto found = kernels_.find(kernel_key(signature.op, traits.kind));
  if (found == kernels_.end()) return std::nullopt;
  for (auto k = found->second.rbegin(); k != found->second.rend(); ++k)
    if (auto offer = k->offer(signature, traits)) return offer;
  return std::nullopt;
}

}  // namespace braid
