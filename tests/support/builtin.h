// The registry of the tests.
#pragma once
#include <braid/core/registry.h>
#include <braid/nodes/builtin.h>

namespace braid::test {

/// Every layer and operation that comes with Braid; made once for a test binary.
inline const Registry& builtin() {
  static const Registry registry = [] {
    Registry r;
    register_builtin(r);
    return r;
  }();
  return registry;
}

}  // namespace braid::test
