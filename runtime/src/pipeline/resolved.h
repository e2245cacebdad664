// A pipeline whose names have been found and whose types fit: what a Stream is made of.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include <braid/runtime/pipeline.h>

namespace braid {

struct ResolvedStage {
  const StageDef* def = nullptr;           ///< null where there is no callable
  const ItemType* output = nullptr;        ///< null for sinks, and where there was an error
  std::vector<const StageDef*> keys = {};  ///< joins by callables: for each input
  Session* session = nullptr;              ///< of networks
  std::vector<int> users = {};             ///< stages
};

struct Resolved {
  PipelineDecl decl;
  Stages stages;
  std::vector<ResolvedStage> resolved;  ///< by stage
};

/// Finds names and checks types; errors go to `found`. `resolved.stages` and `decl` must be there.
void resolve(Resolved& pipeline, Diagnostics& found);

/// "stage 'shrink' (map)"
std::string title(const StageDecl& stage);

}  // namespace braid
