// When the devices did what was enqueued: two timers around each step, read when all are done.
#include <algorithm>

#include "streams/stream_execution.h"

namespace braid {

// A device's clock is set against the host's when it has nothing to do: the timer is recorded at
// once. `began` is read before, so that nothing seems to end later than it did. Placements on one
// GPU have one clock: what waits for the other never seems to begin before it ended.
void StreamExecution::start_clocks() {
  times.assign(plan_.steps.size(), {});
  if (timers_.empty())
    for (auto& step : plan_.steps) {
      auto* device = sides_[size_t(step.device)].device;
      timers_.push_back({device->make_timer(), device->make_timer()});
    }
  for (size_t d = 0; d < sides_.size(); ++d) {
    auto& side = clock_of(d);
    if (&side != &sides_[d]) continue;
    side.device->activate();
    if (!side.clock) side.clock = side.device->make_timer();
    side.began = now();
    side.device->record(side.queues[0], side.clock);
  }
}

void StreamExecution::read_clocks() {
  for (size_t i = 0; i < times.size(); ++i) {
    auto& step = plan_.steps[i];
    auto& time = times[i];
    if (time.worker < 0 || step.kind == StepKind::hook) continue;
    auto& side = clock_of(size_t(step.device));
    if (!wait_for(*side.device, side.clock, options_.deadline)) bug("a step ends before it begins");
    time.begin = side.began + side.device->elapsed(side.clock, timers_[i].begin);
    time.end = side.began + side.device->elapsed(side.clock, timers_[i].end);
  }
}

StreamExecution::Side& StreamExecution::clock_of(size_t device) {
  const auto first = std::ranges::find(plan_.devices, plan_.devices[device]);
  return sides_[size_t(first - plan_.devices.begin())];
}

// Each queue has two tracks, and callbacks, which run on the host one by one, have the last.
int StreamExecution::track_of(const Step& step) const {
  if (step.kind == StepKind::hook) return int(sides_.size()) * plan_.streams * 2;
  auto& strand = plan_.strands[size_t(step.strand)];
  return (strand.device * plan_.streams + strand.stream) * 2 + between_devices(step);
}

std::string StreamExecution::track(int worker) const {
  const int queue = worker / 2, device = queue / plan_.streams;
  if (device >= int(sides_.size())) return "callbacks";
  auto name = plan_.devices[size_t(device)];
  if (std::ranges::count(plan_.devices, name) > 1)
    name += " (placement " + std::to_string(device) + ")";
  return name + ", stream " + std::to_string(queue % plan_.streams) +
         (worker % 2 ? ", communicator" : "");
}

}  // namespace braid
