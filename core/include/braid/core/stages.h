// What stages are called in files, what their numbers may be, and how they have to fit together.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include <braid/core/error.h>
#include <braid/core/pipeline.h>

namespace braid {

/// As files write them: "Source", "drop_oldest".
std::string_view stage_type(StageKind kind);
std::string_view to_string(Overflow overflow);
std::optional<StageKind> parse_stage_type(std::string_view text);
std::optional<Overflow> parse_overflow(std::string_view text);

/// What tells a stage from others of its kind: its callable, key, sizes or model.
std::string what_it_does(const StageDecl& stage);

/// What numbers of a pipeline may be.
constexpr int64_t most_stages = 1024;
constexpr int64_t most_parallel = 4096;
constexpr int64_t longest_queue = 1'000'000;
constexpr int64_t most_in_flight = 1'000'000;
constexpr int64_t largest_stage_batch = 65'536;
constexpr double longest_wait_ms = 3'600'000;

/// Of all stages together: names, what takes from what, where items end (E0052, E0072 to E0074),
/// batches that are never full (W0070). What callables and networks must have, others know.
void check_pipeline(const PipelineDecl& pipeline, Diagnostics& found);

}  // namespace braid
