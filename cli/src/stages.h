// Tables of stages, which `check` and `stream` print. Private to the .cpp files that write JSON.
#pragma once
#include <braid/core/stages.h>

#include "json.h"

namespace braid::cli {

/// {"in_flight", "stages": [{"name", "type", "from", "file", "line", ...}]}
Json to_json(const PipelineDecl& pipeline);
/// One row for each stage: what it takes, what it does, how items wait in front of it.
std::string table_of(const PipelineDecl& pipeline);

}  // namespace braid::cli
