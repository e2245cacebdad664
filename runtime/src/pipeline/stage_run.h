// A stage during a run: its declaration, its callable, and what was counted.
#pragma once
#include <braid/core/pipeline.h>
#include <braid/runtime/stages.h>

#include "pipeline/tally.h"

namespace braid {

struct StageRun {
  const StageDecl* decl = nullptr;
  int index = -1;
  const StageDef* def = nullptr;  ///< null for what has no callable
  StageCall call = {};
  std::vector<Tally> tallies = {};  ///< by thread
  int64_t most_waiting = 0;

  Tally& tally(int slot) { return tallies[size_t(slot)]; }
};

}  // namespace braid
