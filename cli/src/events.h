// Events of a training run as JSON: what `--json` prints and what log.jsonl keeps. Nothing in them
// depends on the clock, the host or the devices, so that equal runs write equal logs.
#pragma once
#include <string>

#include <braid/runtime/train.h>

namespace braid::cli {

/// One line, or "" for events that are not recorded.
std::string event_line(const TrainEvent& event);
std::string done_line(const TrainReport& report);

}  // namespace braid::cli
