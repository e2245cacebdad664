// Plan: the treaty between compiler and runtime. Plain data: a table of kernels, steps, the strands
// that the scheduler runs, slots of memory with their offsets, the results that the host reads.
//
// The *program hash* covers the arithmetic (graph, slices, formats, kernels): it is the same for
// every device list and thread count. The *plan hash* covers arithmetic and deployment.
//
//   for (auto& strand : plan.strands)
//     for (int s : strand.steps) plan.kernels[plan.steps[s].kernel].impl;
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <braid/core/graph.h>
#include <braid/core/hook.h>

namespace braid {

struct KernelUse {
  Signature signature;
  std::string impl;
  int64_t workspace = 0;
  int alias = -1;
  bool gang = false;
};

/// A piece of memory on one device: a variable of State, a slice of an input, or a place in the
/// device's arena.
struct Slot {
  int device = 0;
  int64_t bytes = 0;
  int64_t offset = 0;  ///< arena: bytes from its start; input: bytes from the batch's start
  int state = -1;
  int input = -1;
  int value = -1;  ///< logical value, for names
};

/// `sum` adds up what all devices have, and gives it to all; it stands on the first.
enum class StepKind : uint8_t { kernel, transfer, gate, hook, sum };

struct Step {
  StepKind kind = StepKind::kernel;
  bool gated = false;  ///< writes State: runs behind the commit gate
  int node = -1;       ///< logical node (of a transfer: the producer; of a merge: the sync node)
  int replica = -1;    ///< -1: common to all
  int lo = 0, hi = 0;  ///< of a merge: the replicas [lo, hi) it covers
  int device = 0;
  int kernel = -1;
  int hook = -1;  ///< into Plan::hook_points
  int lane = -1;
  int strand = -1;
  int first = 0, inputs = 0, outputs = 0;  ///< operands are Plan::operands[first ...]
  int64_t first_sample = 0;
  int first_part = 0, parts = 0;  ///< of ganged steps: Plan::parts[first_part ...], else none
};

/// Whether it joins devices: such steps take turns.
inline bool between_devices(const Step& s) {
  return s.kind == StepKind::transfer || s.kind == StepKind::sum;
}

/// What a ganged step does for one replica, or one merge of its tree. Its operands are the next
/// `inputs` and `outputs` of the step's: parts share them out in their order. Merges may read what
/// an earlier part of the step has made.
struct GangPart {
  int kernel = -1;
  int replica = -1;
  int lo = 0, hi = 0;
  int inputs = 0, outputs = 0;
  int64_t first_sample = 0;
};

/// A stretch of a lane that runs without waiting for another lane: one task.
struct Strand {
  int device = 0;
  int lane = 0;
  std::vector<int> steps = {};
  std::vector<int> preds = {};
  int stream = -1;              ///< of its device; -1 = the device has none
  std::vector<int> waits = {};  ///< strands of other streams whose events it waits for
  bool event = false;           ///< others wait for its end
  /// Of a strand that joins devices, the one before it that does: it must have been enqueued, done
  /// or not, so that messages go out in the order of the plan.
  int turn = -1;
};

/// What a user needs to know about a logical node.
struct NodeInfo {
  std::string op;
  std::string label;
  Mark mark;
  bool backward = false;
  bool sync = false;
};

/// One sync point: a value merged over (groups of) replicas. Points that are ready together travel
/// together, in one exchange: they have the same `node`.
struct SyncPoint {
  int node = -1;  ///< the exchange
  int part = 0;   ///< which of its values
  std::string layer;
  std::string variable = {};  ///< "weight": the value is its gradient; "" = none
  std::string op;             ///< the operation that makes each replica's part
  std::string merge;
  int group = 0;      ///< replicas per group, 0 = all
  int64_t bytes = 0;  ///< of one participant
  int participants = 0;
  bool backward = false;
  bool fast = false;  ///< summed over the devices by their library
};

struct PlanResult {
  std::string name;
  Result::Kind kind = Result::Kind::output;
  Type type;
  double factor = 1;
  std::vector<int> slots = {};     ///< one (common), or one for each slice that is not empty
  std::vector<int64_t> rows = {};  ///< first sample of each
};

struct Plan {
  int replicas = 1;
  std::vector<std::string> devices = {};
  DeviceTraits traits = {};
  int64_t batch = 0;                              ///< N
  std::vector<std::vector<int64_t>> slices = {};  ///< samples, by micro-batch and replica
  uint64_t program_hash = 0, plan_hash = 0;
  bool fast = false;     ///< `reduce: fast` was asked for
  int summed_over = 1;   ///< so many devices' library sums gradients; 1 = fixed trees alone
  std::string as_exact;  ///< why `fast` is the same as `exact` here

  std::vector<NodeInfo> nodes = {};
  std::vector<StateVar> states = {};
  std::vector<InputDecl> inputs = {};
  std::vector<KernelUse> kernels = {};
  std::vector<Slot> slots = {};
  std::vector<Step> steps = {};
  std::vector<GangPart> parts = {};
  std::vector<int> operands = {};  ///< slots
  std::vector<Strand> strands = {};
  std::vector<PlanResult> results = {};
  std::vector<SyncPoint> syncs = {};
  std::vector<HookSpec> hooks = {};
  std::vector<HookPoint> hook_points = {};
  std::vector<int64_t> arena = {};  ///< bytes, by device
  int64_t arena_without_reuse = 0;
  int64_t workspace = 0;  ///< bytes, the largest of any step
  int lanes = 0;
  int streams = 0;  ///< of each device; 0 = bodies run on the host

  std::span<const int> in(const Step& s) const {
    return {operands.data() + s.first, size_t(s.inputs)};
  }
  std::span<const int> out(const Step& s) const {
    return {operands.data() + s.first + s.inputs, size_t(s.outputs)};
  }
};

/// "bn1 (normalize), replica 2": names a step to users.
std::string describe(const Plan& plan, const Step& step);

}  // namespace braid
