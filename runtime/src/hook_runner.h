// Calls a hook from a step of a plan: shows it what the step's operands hold.
#pragma once
#include <list>

#include <braid/runtime/executor.h>
#include <braid/runtime/hooks.h>

namespace braid {

/// Throws Error(usage, "E0429") on a thread that is inside of one of these hooks.
void require_outside(const HookTable* hooks);

class HookRunner {
 public:
  /// Throws Error(bug) when the plan has hooks that the table lacks.
  HookRunner(const Plan& plan, std::shared_ptr<const HookTable> table, Mode mode);
  /// Throws what the hook throws, as Error(run, "E0426") with the place of the hook.
  void run(const Step& step, void* const* in, void* const* out, const Scalars& scalars) const;

 private:
  /// Of what the caller of the step owns: a hook that hangs may outlive it.
  using Copies = std::list<std::vector<std::byte>>;

  std::vector<int> replicas_of(const Step& step, const HookPoint& point) const;
  void show(const Step& step, const HookPoint& point, void* const* in, void* const* out,
            HookVisit& visit, Copies& copies) const;

  void add_results(HookVisit& visit) const;

  const Plan& plan_;
  std::shared_ptr<const HookTable> table_;
  Mode mode_;
};

}  // namespace braid
