// Hooks as the compiler sees them: where the user's own code is called, and what it is shown. What
// is called stays with the runtime (braid/runtime/hooks.h); here is plain data, which Plans hold.
//
//   options.hooks.push_back({.kind = HookKind::forward, .name = "watch", .layer = "layer1.*"});
//
// A hook that only reads is an *observer*: it and what is computed for it alone are no part of the
// program, so that binding one changes neither the program hash nor a bit of a result.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <braid/core/mark.h>
#include <braid/core/type.h>

namespace braid {

enum class HookKind : uint8_t {
  replicate,  ///< when the replicas were made; no part of any step
  forward,    ///< a layer's outputs, as soon as they are there
  backward,   ///< the gradients of a layer's outputs, before its own gradient is worked out
  stats,      ///< a batch norm's merged moments
  step,       ///< losses and metrics of a training step, before anything is written
  compute,    ///< a Callback with ports: makes its outputs
  gradient    ///< the same behind it: makes the gradients of its inputs
};
std::string_view to_string(HookKind kind);  ///< "on_forward"
/// What it writes are results that nobody else makes.
inline bool computes(HookKind kind) { return kind >= HookKind::compute; }

struct HookSpec {
  HookKind kind = HookKind::forward;
  std::string name;        ///< names it in errors, plans and pictures
  std::string layer = {};  ///< pattern over layer paths; "" = by type
  std::string type = {};   ///< layer type; "" = by path
  /// What `on_replicate: called`, or a Callback layer's `call`, says in the file; "" = bound
  /// otherwise.
  std::string called = {};
  bool joined = false;   ///< one call with the slices of all replicas
  bool mutates = false;  ///< what it writes goes on in place of what it was shown
  bool inputs = false;   ///< shown too: a layer's inputs, or the gradients of its inputs
  Mark mark = {};        ///< the call that bound it
};

/// A hook at one node of a Plan.
struct HookPoint {
  HookKind kind = HookKind::forward;
  int spec = -1;  ///< into CompileOptions::hooks and Plan::hooks
  int node = -1;  ///< logical node; -1: on_replicate, which is no step
  std::string layer = {}, type = {};
  int position = -1;  ///< of the layer in the traversal of modules (see positions.h)
  int micro = 0;
  int values = 0;  ///< operands of one replica that are outputs, gradients or moments
  int inputs = 0;  ///< operands of one replica that are shown besides
  std::vector<std::string> names = {};  ///< of the values: ports, losses; then of the inputs
  std::vector<Type> types = {};         ///< of values and inputs
  Mark mark = {};                       ///< of the layer
};

}  // namespace braid
