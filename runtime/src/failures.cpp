#include "failures.h"

#include <algorithm>
#include <new>
#include <tuple>

#include <braid/core/error.h>

namespace braid {

PartView part_of(const Plan& plan, const Step& step, int part) {
  if (!step.parts) return {step, plan.in(step), plan.out(step)};
  size_t inputs = 0, outputs = 0;
  for (int i = 0; i < part; ++i) {
    inputs += size_t(plan.parts[size_t(step.first_part + i)].inputs);
    outputs += size_t(plan.parts[size_t(step.first_part + i)].outputs);
  }
  auto& p = plan.parts[size_t(step.first_part + part)];
  Step one = step;
  one.kernel = p.kernel, one.replica = p.replica, one.lo = p.lo, one.hi = p.hi;
  one.first_sample = p.first_sample;
  return {one, plan.in(step).subspan(inputs, size_t(p.inputs)),
          plan.out(step).subspan(outputs, size_t(p.outputs))};
}

void Failures::record(int step, std::exception_ptr what, int part) {
  std::lock_guard lock(mutex_);
  list_.push_back({step, part, std::move(what)});
}

bool Failures::empty() const {
  std::lock_guard lock(mutex_);
  return list_.empty();
}

void Failures::raise(const Plan& plan, int64_t step_number) const {
  auto first = std::ranges::min_element(list_, {}, [&](const Failure& f) {
    auto s = part_of(plan, plan.steps[size_t(f.step)], f.part).step;
    return std::tuple(s.node, s.replica, s.lo, s.hi, f.step);
  });
  auto step = part_of(plan, plan.steps[size_t(first->step)], first->part).step;
  Mark mark;
  if (step.node >= 0) mark = plan.nodes[size_t(step.node)].mark;
  std::string where = describe(plan, step) + ", " + plan.devices[size_t(step.device)] + ", step " +
                      std::to_string(step_number);
  try {
    std::rethrow_exception(first->what);
  } catch (const Error& e) {
    auto d = e.diagnostics().front();
    d.message = where + ": " + d.message;
    if (!d.mark) d.mark = mark;
    throw Error(e.fault(), {std::move(d)});
  } catch (const std::bad_alloc&) {
    throw Error(Fault::run, "E0401", where + ": out of memory", mark);
  } catch (const std::exception& e) {
    throw Error(Fault::run, "E0402", where + ": " + e.what(), mark);
  } catch (...) {
    throw Error(Fault::run, "E0402", where + ": an exception that is no std::exception", mark);
  }
}

}  // namespace braid
