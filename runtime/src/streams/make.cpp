// What a StreamExecution makes before its first step: queues and events, launches, the segments
// between hooks, and the pointers of a binding.
#include <algorithm>

#include "streams/stream_execution.h"

namespace braid {

// Everything that is made on demand is made here: bodies run on several threads.
void StreamExecution::make_sides() {
  for (size_t d = 0; d < plan_.devices.size(); ++d) {
    auto* device = dynamic_cast<Device*>(&memory_.placement(int(d)));
    if (!device) bug("a plan with streams runs on a device without queues");
    Side side{.device = device,
              .control = DeviceBlock(*device, offsets_.control_bytes),
              .feeder = device->queue(plan_.streams),
              .fed = device->make_event(),
              .back = StagingBlock(*device, offsets_.all_words * 8)};
    for (int s = 0; s < plan_.streams; ++s) {
      side.queues.push_back(device->queue(s));
      side.tails.push_back(device->make_event());
    }
    sides_.push_back(std::move(side));
  }
  for (auto& strand : plan_.strands)
    events_.push_back(strand.event ? sides_[size_t(strand.device)].device->make_event() : nullptr);
  start_ = sides_[0].device->make_event();
  end_ = sides_[0].device->make_event();
  if (sides_.size() > 1)
    gathered_ = std::make_unique<DeviceBlock>(*sides_[0].device,
                                              offsets_.all_words * 8 * int64_t(sides_.size()));
}

void StreamExecution::bind_launches(const Registry& registry) {
  launches_.resize(plan_.steps.size());
  std::map<std::vector<int>, Launch> known;  // the kernels of the parts
  std::vector<std::vector<int64_t>> room(sides_.size(), std::vector<int64_t>(plan_.streams, 0));
  for (size_t i = 0; i < plan_.steps.size(); ++i) {
    auto& step = plan_.steps[i];
    if (step.kind != StepKind::kernel) continue;
    std::vector<int> kernels = {step.device};
    for (int p = 0; p < parts_of(step); ++p) kernels.push_back(part_of(plan_, step, p).step.kernel);
    auto [entry, fresh] = known.try_emplace(kernels);
    if (fresh) {
      std::vector<Signature> parts;
      for (size_t k = 1; k < kernels.size(); ++k)
        parts.push_back(plan_.kernels[size_t(kernels[k])].signature);
      auto offer = registry.offer(parts[0], plan_.traits);
      require_same(plan_.kernels[size_t(kernels[1])], offer);
      if (!offer->launch) bug("the kernel '" + offer->impl + "' cannot be enqueued");
      sides_[size_t(step.device)].device->activate();
      entry->second = offer->launch(parts);
    }
    launches_[i] = entry->second;
    auto& strand = plan_.strands[size_t(step.strand)];
    auto& most = room[size_t(strand.device)][size_t(strand.stream)];
    most = std::max(most, launches_[i].workspace);
  }
  for (size_t d = 0; d < sides_.size(); ++d)
    for (int64_t bytes : room[d]) sides_[d].workspaces.emplace_back(*sides_[d].device, bytes);
}

void StreamExecution::find_segments() {
  segment_of_.resize(plan_.strands.size());
  for (size_t s = 0; s < plan_.strands.size(); ++s) {
    auto& steps = plan_.strands[s].steps;
    bool hook = plan_.steps[size_t(steps[0])].kind == StepKind::hook;
    ensure(!hook || steps.size() == 1, "a hook shares its strand with other steps");
    if (hook || segments_.empty() || segments_.back().hook) segments_.push_back({.hook = hook});
    segments_.back().strands.push_back(int(s));
    segment_of_[s] = int(segments_.size()) - 1;
  }
  std::vector<int> all;
  for (auto& segment : segments_) {
    segment.ends = find_ends(segment.strands);
    all.insert(all.end(), segment.strands.begin(), segment.strands.end());
  }
  ends_ = find_ends(all);
}

// Which strand of each queue is done when a strand is, as far as waits among these strands say.
StreamExecution::Ends StreamExecution::find_ends(const std::vector<int>& strands) const {
  const size_t streams = size_t(plan_.streams), queues = sides_.size() * streams;
  std::map<int, std::vector<int>> done;
  std::vector<int> last(queues, -1);
  Ends ends;
  auto join = [](std::vector<int>& into, const std::vector<int>& from) {
    for (size_t q = 0; q < into.size(); ++q) into[q] = std::max(into[q], from[q]);
  };
  for (int s : strands) {
    auto& strand = plan_.strands[size_t(s)];
    const size_t queue = size_t(strand.device) * streams + size_t(strand.stream);
    std::vector<int> mine(queues, -1);
    bool waits = queue == 0 || last[queue] >= 0;
    if (last[queue] >= 0) join(mine, done.at(last[queue]));
    for (int w : strand.waits)
      if (auto found = done.find(w); found != done.end()) {
        join(mine, found->second);
        waits = true;
      }
    if (!waits) ends.fork.push_back({queue / streams, queue % streams});
    mine[queue] = last[queue] = s;
    done.emplace(s, std::move(mine));
  }
  std::vector<int> known(queues, -1);
  if (last[0] >= 0) known = done.at(last[0]);
  std::vector<size_t> order;
  for (size_t q = 1; q < queues; ++q)
    if (last[q] >= 0) order.push_back(q);
  std::ranges::sort(order, std::greater<>{}, [&](size_t q) { return last[q]; });
  for (size_t q : order) {
    if (known[q] >= last[q]) continue;
    ends.join.push_back({q / streams, q % streams});
    join(known, done.at(last[q]));
  }
  return ends;
}

void StreamExecution::find_results() {
  int64_t bytes = 0;
  for (auto& result : plan_.results) {
    bool total = result.kind == Result::Kind::loss || result.kind == Result::Kind::metric;
    bool here = total && !result.slots.empty();
    total_offset_.push_back(here ? bytes : -1);
    if (here) bytes += (plan_.slots[size_t(result.slots[0])].bytes + 63) / 64 * 64;
  }
  for (auto& segment : segments_) {
    if (!segment.hook) continue;
    const int id = plan_.strands[size_t(segment.strands[0])].steps[0];
    auto& step = plan_.steps[size_t(id)];
    auto& device = *sides_[size_t(step.device)].device;
    std::vector<int64_t> at = {0};
    for (int k = 0; k < step.inputs + step.outputs; ++k) {
      int64_t size = plan_.slots[size_t(plan_.operands[size_t(step.first + k)])].bytes;
      at.push_back(at.back() + (size + 63) / 64 * 64);
    }
    Shown shown{.memory = StagingBlock(device, at.back()), .event = device.make_event()};
    for (int k = 0; k < step.inputs + step.outputs; ++k)
      shown.pointers.push_back(shown.memory.at(at[size_t(k)]));
    shown_.emplace(id, std::move(shown));
  }
  if (bytes > 0) totals_.emplace_back(*sides_[0].device, bytes);
  for (size_t i = 0; options_.digest && i < plan_.steps.size(); ++i) {
    auto& step = plan_.steps[i];
    if (step.kind != StepKind::kernel) continue;
    for (int p = 0; p < parts_of(step); ++p) {
      auto part = part_of(plan_, step, p);
      if (part.step.hi <= part.step.lo) continue;
      for (size_t k = 0; k < part.out.size(); ++k) {
        int64_t size = plan_.slots[size_t(part.out[k])].bytes;
        digest_of_[int(i)].push_back(
            {.what = {step.node, int(k), part.step.lo, part.step.hi, 0},
             .operand = int(&part.out[k] - plan_.operands.data()),
             .bytes = size,
             .memory = StagingBlock(*sides_[size_t(step.device)].device, size)});
      }
    }
  }
}

void StreamExecution::drop_recordings(Binding& binding) {
  for (auto* recording : binding.recordings)
    if (recording) sides_[0].device->release(recording);
  binding.recordings.clear();
  binding.runs = 0;
}

void StreamExecution::bind(Binding& binding) {
  drop_recordings(binding);
  if (binding.feeds.empty())
    for (size_t d = 0; d < sides_.size(); ++d) {
      binding.feeds.emplace_back(*sides_[d].device, offsets_.feed_bytes[d]);
      binding.staging.emplace_back(*sides_[d].device, staged_scalars + offsets_.feed_bytes[d]);
    }
  binding.pointers.assign(plan_.operands.size(), nullptr);
  for (size_t i = 0; i < plan_.operands.size(); ++i) {
    int s = plan_.operands[i];
    auto& slot = plan_.slots[size_t(s)];
    if (slot.state >= 0)
      binding.pointers[i] = state_.data(slot.device, state_index_[size_t(slot.state)]);
    else if (slot.input >= 0)
      binding.pointers[i] = binding.feeds[size_t(slot.device)].at(offsets_.feed[size_t(s)]);
    else
      binding.pointers[i] = memory_.arena(slot.device) + slot.offset;
  }
  binding.arguments.assign(plan_.steps.size(), {});
  for (size_t i = 0; i < plan_.steps.size(); ++i) {
    auto& step = plan_.steps[i];
    if (step.kind != StepKind::kernel) continue;
    auto scalars =
        reinterpret_cast<const Scalars*>(sides_[size_t(step.device)].control.at(offsets_.scalars));
    for (int p = 0; p < parts_of(step); ++p) {
      auto part = part_of(plan_, step, p);
      auto first = [&](std::span<const int> operands) {
        return binding.pointers.data() + (operands.data() - plan_.operands.data());
      };
      binding.arguments[i].push_back({.inputs = first(part.in),
                                      .outputs = first(part.out),
                                      .scalars = scalars,
                                      .first_sample = part.step.first_sample});
    }
  }
}

}  // namespace braid
