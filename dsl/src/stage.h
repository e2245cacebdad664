// One stage of `pipeline:` as it was typed: its kind, and the keys that go with it.
#pragma once
#include <braid/core/stages.h>

#include "keys.h"

namespace braid::dsl {

/// The kind that `type` names, or nothing where it names none, which has been reported.
std::optional<StageKind> read_stage_kind(const Env& env, const Node& type);

/// All keys of a stage but `name`, `type`, `from`, `for` and `if`. Reports those that belong to
/// stages of other kinds, and unknown ones where there is no callable that might know them.
void read_stage_keys(const Env& env, Keys& keys, StageDecl& stage);

}  // namespace braid::dsl
