#pragma once
#include <braid/core/plan.h>

namespace braid {

/// Looks at the inputs that the plan reads. Throws Error(run, "E0414") with the first sample that
/// holds what is no number, its replica and its device.
void check_inputs(const Plan& plan, const std::vector<const void*>& given, int64_t step_number);

}  // namespace braid
