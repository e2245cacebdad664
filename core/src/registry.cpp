#include <braid/core/registry.h>

#include <algorithm>
#include <array>

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

// The same for devices with queues: one launch for each pair, with all parts of the step.
Launch join_launches(const std::vector<Offer>& pairs, std::span<const Signature> parts) {
  const size_t k = pairs.size();
  std::vector<Launch> launches;
  Launch all;
  for (size_t i = 0; i < k; ++i) {
    std::vector<Signature> of_pair;
    for (auto& part : parts) of_pair.push_back(pair_of(part, i));
    launches.push_back(pairs[i].launch(of_pair));
    all.workspace = std::max(all.workspace, launches.back().workspace);
  }
  all.enqueue = [launches, k](const LaunchArgs& a) {
    std::vector<KernelArgs> parts(a.parts.begin(), a.parts.end());
    std::vector<std::array<void*, 2>> sides(parts.size());
    for (size_t i = 0; i < k; ++i) {
      for (size_t p = 0; p < parts.size(); ++p) {
        sides[p] = {a.parts[p].inputs[i], a.parts[p].inputs[k + i]};
        parts[p].inputs = sides[p].data();
        parts[p].outputs = a.parts[p].outputs + i;
      }
      LaunchArgs one = a;
      one.parts = parts;
      launches[i].enqueue(one);
    }
  };
  return all;
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
  if (pairs[0].launch) {
    all.gang = std::ranges::all_of(pairs, &Offer::gang);
    all.launch = [pairs](std::span<const Signature> parts) { return join_launches(pairs, parts); };
    return all;
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
