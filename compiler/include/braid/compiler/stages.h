// What a file with a pipeline asks of its network.
#pragma once
#include <braid/core/error.h>
#include <braid/core/model.h>

namespace braid {

/// How the stages of the file fit together and to its layers; check() does this, too. Errors go to
/// `found`.
void check_stages(const Model& model, Diagnostics& found);

/// Throws Error(model, "E0222") for a file of stages alone.
void need_layers(const Model& model);
/// Throws Error(model, "E0223") for a file without stages.
void need_pipeline(const Model& model);

}  // namespace braid
