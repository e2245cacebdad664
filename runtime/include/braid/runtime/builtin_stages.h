// Callables that come with Braid, so that a file alone can say: pictures in, labels out.
//
//   Stages stages = builtin_stages(model);
//   stages.map("mine", [](Record item) { ... });      // beside them, or in their place
//   Pipeline pipeline(model, stages);
//
// Their items are Records. Text, such as the name of a file, is a field of bytes in one dimension.
// docs/pipelines.md has what each is given and makes. What they throw: E0463 for a field that an
// item lacks or that has another type or size, E0465 for a parameter, and what reading and
// writing files throws.
#pragma once
#include <braid/core/model.h>
#include <braid/runtime/stages.h>

namespace braid {

/// Relative paths begin at the model's folder; `data` and `as` are about its inputs and data.
Stages builtin_stages(const Model& model);

}  // namespace braid
