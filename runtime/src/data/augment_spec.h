// What `augment:` of a data source was declared to be.
#pragma once
#include <span>
#include <string>

#include <braid/core/attr.h>
#include <braid/core/error.h>
#include <braid/core/model.h>

#include "data/keys.h"
#include "data/spec.h"

namespace braid {

/// Reads `value`, which the keys of the source hold as 'augment', into `spec.augment`; how the
/// inputs are filled is known. `what` begins every message: "data source 'Idx'". Faults go to
/// `found`: E0331 unknown key, E0332 nothing that changes a picture, E0333 a value or an input that
/// does not fit.
void read_augment(const Attr& value, Keys& outer, const std::string& what,
                  std::span<const InputDecl> inputs, SourceSpec& spec, Diagnostics& found);

}  // namespace braid
