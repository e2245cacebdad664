// Registry: a value that holds operations, layers and kernels. It is passed in and extended by
// users; it is never global, and nothing registers itself behind anybody's back.
//
//   Registry r;
//   register_builtin(r);          // braid/nodes/builtin.h
//   r.add(my_layer());
//   r.layer("Conv2d")->doc;
#pragma once
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <braid/core/layer.h>

namespace braid {

class Registry {
 public:
  /// A later definition of the same name replaces the earlier one.
  void add(OpDef op);
  void add(LayerDef layer);
  /// Kernels of one operation are asked in the reverse order of their registration.
  void add(Kernel kernel);

  const OpDef* op(std::string_view name) const;
  const LayerDef* layer(std::string_view name) const;
  /// Names of all layers of a role, sorted.
  std::vector<std::string> layers(Role role) const;
  std::vector<std::string> ops() const;
  bool has_kernel(std::string_view op, std::string_view device) const;

  /// The first offer; nothing when no kernel is there or none wants the shapes.
  std::optional<Offer> offer(const Signature& signature, const DeviceTraits& traits) const;

 private:
  std::map<std::string, OpDef, std::less<>> ops_;
  std::map<std::string, LayerDef, std::less<>> layers_;
  std::map<std::string, std::vector<Kernel>, std::less<>> kernels_;  // "op@device"
};

}  // namespace braid
