#include "streams/stream_execution.h"

#include <algorithm>
#include <cstring>

#include "finite_inputs.h"

namespace braid {

StreamExecution::StreamExecution(const Plan& plan, const Registry& registry, State& state,
                                 Memory& memory, const ExecutorOptions& options)
    : plan_(plan),
      registry_(registry),
      state_(state),
      memory_(memory),
      options_(options),
      offsets_(plan),
      hooks_(plan, options.hooks, options.mode) {
  check_finite = options.check_finite;
  for (auto& var : plan_.states) state_index_.push_back(state_.add(var));
  make_sides();
  bind_launches(registry);
  find_segments();
  find_results();
  skipped_.assign(plan_.strands.size(), 0);
  External external;
  if (segments_.size() > 1 || (!segments_.empty() && segments_[0].hook)) {
    watcher_ = std::make_unique<Watcher>();
    external.strands.assign(plan_.strands.size(), 0);
    for (auto& segment : segments_)
      if (segment.hook) external.strands[size_t(segment.strands[0])] = 1;
    external.start = [this](int strand, int, std::function<void()> done) {
      start_hook(strand, std::move(done));
    };
  }
  engine_ = make_engine(
      options.engine, plan, [this](int strand, int) { run_strand(strand); }, options.threads,
      std::move(external));
}

StreamExecution::~StreamExecution() {
  engine_.reset();
  watcher_.reset();
  for (auto& binding : bindings_) drop_recordings(binding);
  for (size_t s = 0; s < events_.size(); ++s)
    if (events_[s]) sides_[size_t(plan_.strands[s].device)].device->release(events_[s]);
  for (auto& [step, shown] : shown_)
    sides_[size_t(plan_.steps[size_t(step)].device)].device->release(shown.event);
  for (auto& side : sides_) {
    for (auto* event : side.tails) side.device->release(event);
    side.device->release(side.fed);
  }
  if (start_) sides_[0].device->release(start_);
  if (end_) sides_[0].device->release(end_);
}

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

// Recording spans all queues that are forked from the first one, which asks for one GPU.
bool StreamExecution::can_replay() const {
  return options_.replay && !options_.digest && !check_finite && !on_step &&
         std::ranges::all_of(plan_.devices, [&](auto& d) { return d == plan_.devices[0]; });
}

void StreamExecution::run(const StepArgs& args) {
  if (!memory_.broken().empty())
    throw Error(Fault::device, "E0524", "the device has failed before: " + memory_.broken())
        .help("start the program again; --resume goes on from the last checkpoint");
  for (size_t d = 0; d < plan_.arena.size(); ++d) memory_.reserve(int(d), plan_.arena[d]);
  bindings_.reserve(2);
  if (bindings_.empty()) bindings_.emplace_back();
  if (!args.next.empty() && bindings_.size() < 2) {
    bindings_.emplace_back();
    generation_ = -1;
  }
  if (generation_ != memory_.generation()) {
    for (auto& binding : bindings_) bind(binding);
    generation_ = memory_.generation();
    brought_.clear();
  }
  scalars_ = args.scalars;
  given_ = args.inputs;
  std::ranges::fill(skipped_, 0);
  failures_.clear();
  for (size_t s = 0; s < plan_.slots.size(); ++s)
    if (plan_.slots[s].input >= 0) slice_of(plan_, plan_.slots[s], given_);
  if (check_finite) check_inputs(plan_, given_, scalars_.step + 1);
  // What was brought for another step than this one is of no use.
  if (!brought_.empty() && brought_ == given_)
    current_ = current_ == &bindings_[0] ? &bindings_[1] : &bindings_[0];
  else
    brought_.clear();
  if (!current_) current_ = &bindings_[0];
  next_ = args.next;
  execute(*current_);
  if (!failures_.empty()) failures_.raise(plan_, scalars_.step + 1);
}

void StreamExecution::execute(Binding& binding) {
  try {
    sides_[0].device->activate();
    prologue(binding);
    if (can_replay() && binding.runs > 0)
      replay(binding);
    else
      run_plain();
    epilogue();
    if (!next_.empty()) bring_next(next_);
    wait_for_end();
    collect_faults();
  } catch (...) {
    give_up(std::current_exception());
  }
  ++binding.runs;
  finish_digests();
}

void StreamExecution::stage(Binding& binding, const std::vector<const void*>& inputs) {
  for (size_t s = 0; s < plan_.slots.size(); ++s) {
    auto& slot = plan_.slots[s];
    if (slot.input < 0) continue;
    std::memcpy(binding.staging[size_t(slot.device)].at(staged_scalars + offsets_.feed[s]),
                slice_of(plan_, slot, inputs), size_t(slot.bytes));
  }
}

void StreamExecution::prologue(Binding& binding) {
  const bool fed = !brought_.empty();
  if (!fed) stage(binding, given_);
  for (size_t d = 0; d < sides_.size(); ++d) {
    auto& side = sides_[d];
    auto& staging = binding.staging[d];
    std::memcpy(staging.at(), &scalars_, sizeof scalars_);
    side.device->fill(origin(), side.control.at(), 0,
                      8 * (check_finite ? offsets_.all_words : offsets_.words));
    side.device->upload(
        origin(), {side.control.at(offsets_.scalars), staging.at(), int64_t(sizeof scalars_)});
    if (fed)
      side.device->wait(origin(), side.fed);
    else if (offsets_.feed_bytes[d])
      side.device->upload(
          origin(), {binding.feeds[d].at(), staging.at(staged_scalars), offsets_.feed_bytes[d]});
  }
  brought_.clear();
}

// While the device computes, on a queue that nothing else uses: the other binding is free, since
// the host has waited for the step that used it.
void StreamExecution::bring_next(const std::vector<const void*>& inputs) {
  auto& other = current_ == &bindings_[0] ? bindings_[1] : bindings_[0];
  stage(other, inputs);
  for (size_t d = 0; d < sides_.size(); ++d) {
    auto& side = sides_[d];
    side.device->activate();
    if (offsets_.feed_bytes[d])
      side.device->upload(side.feeder, {other.feeds[d].at(), other.staging[d].at(staged_scalars),
                                        offsets_.feed_bytes[d]});
    side.device->record(side.feeder, side.fed);
  }
  sides_[0].device->activate();
  brought_ = inputs;
}

// The queues go on from where the first one is ...
void StreamExecution::fork(const Ends& ends) {
  sides_[0].device->record(origin(), start_);
  for (auto [side, queue] : ends.fork) {
    sides_[side].device->activate();
    sides_[side].device->wait(sides_[side].queues[queue], start_);
  }
}

// ... and the first one when all are done.
void StreamExecution::join(const Ends& ends) {
  for (auto [side, queue] : ends.join) {
    auto& s = sides_[side];
    s.device->activate();
    s.device->record(s.queues[queue], s.tails[queue]);
    sides_[0].device->activate();
    sides_[0].device->wait(origin(), s.tails[queue]);
  }
}

void StreamExecution::run_plain() {
  fork(ends_);
  fired_ = 0;
  engine_->run();
  if (fired_ != int(plan_.strands.size()))
    bug("the scheduler fired " + std::to_string(fired_) + " of " +
        std::to_string(plan_.strands.size()) + " strands");
  join(ends_);
}

// One thread, in the order of the plan; a hook stands between two recordings.
void StreamExecution::record(Binding& binding) {
  binding.recordings.assign(segments_.size(), nullptr);
  auto& device = *sides_[0].device;
  for (size_t g = 0; g < segments_.size(); ++g) {
    if (segments_[g].hook) continue;
    device.activate();
    device.begin_recording(origin());
    recording_ = int(g);
    try {
      fork(segments_[g].ends);
      for (int strand : segments_[g].strands) {
        int step = -1;
        enqueue(strand, step);
      }
      join(segments_[g].ends);
    } catch (...) {
      recording_ = -1;
      device.abandon_recording(origin());
      throw;
    }
    recording_ = -1;
    binding.recordings[g] = device.end_recording(origin());
  }
}

// What cannot be recorded is launched, from now on, too: that is slower and gives the same bits. A
// device that has failed says so again.
bool StreamExecution::try_to_record(Binding& binding) {
  try {
    record(binding);
    return true;
  } catch (const Error&) {
    drop_recordings(binding);
    options_.replay = false;
    return false;
  }
}

void StreamExecution::replay(Binding& binding) {
  if (binding.recordings.empty() && !try_to_record(binding)) return run_plain();
  ++replayed;
  for (size_t g = 0; g < segments_.size(); ++g) {
    if (!segments_[g].hook) {
      sides_[0].device->replay(origin(), binding.recordings[g]);
      continue;
    }
    const int strand = segments_[g].strands[0];
    show(strand, origin());
    auto& shown = shown_.at(plan_.strands[size_t(strand)].steps[0]);
    if (!wait_for(*sides_[0].device, shown.event, options_.deadline))
      throw Error(Fault::device, "E0523", "the device has not answered in time, before a hook");
    call_hook(strand, origin(), nullptr);
    if (!failures_.empty()) return;  // what comes after waits for it, or for the gate
  }
}

void StreamExecution::epilogue() {
  auto& first = sides_[0];
  first.device->activate();
  for (auto& side : sides_)
    side.device->download(origin(), {side.back.at(), side.control.at(),
                                     8 * (check_finite ? offsets_.all_words : offsets_.words)});
  for (size_t i = 0; i < plan_.results.size(); ++i) {
    if (total_offset_[i] < 0) continue;
    auto& slot = plan_.slots[size_t(plan_.results[i].slots[0])];
    first.device->download(origin(), {totals_[0].at(total_offset_[i]),
                                      memory_.arena(slot.device) + slot.offset, slot.bytes});
  }
  first.device->record(origin(), end_);
}

// Which strand hangs or failed: the first whose end has not come. A step that is replayed has no
// events of its own.
std::string StreamExecution::unfinished() const noexcept {
  if (can_replay() && current_->runs > 0) return "";
  for (size_t s = 0; s < plan_.strands.size(); ++s) {
    if (!events_[s]) continue;
    auto& strand = plan_.strands[s];
    bool done = false;
    try {
      done = sides_[size_t(strand.device)].device->done(events_[s]);
    } catch (...) {  // that is what is being reported
    }
    if (!done)
      return "; the first that has not ended: " +
             describe(plan_, plan_.steps[size_t(strand.steps.back())]) + ", strand " +
             std::to_string(s) + ", " + plan_.devices[size_t(strand.device)];
  }
  return "";
}

void StreamExecution::wait_for_end() {
  const std::string step = "step " + std::to_string(scalars_.step + 1) + ": ";
  const std::string help = "the last checkpoint is intact: start again with --resume";
  bool done = false;
  try {
    done = wait_for(*sides_[0].device, end_, options_.deadline);
  } catch (const Error& e) {
    auto d = e.diagnostics().front();
    d.message = step + d.message + unfinished();
    throw Error(e.fault(), {std::move(d.help(help))});
  }
  if (!done)
    throw Error(
        Fault::device, "E0523",
        step + "the device has not answered within " + in_seconds(options_.deadline) + unfinished())
        .help(help);
}

// The device's memory is lost, or nobody knows what still writes to it.
void StreamExecution::give_up(std::exception_ptr why) {
  std::string text;
  try {
    std::rethrow_exception(why);
  } catch (const Error& e) {
    text = e.diagnostics().front().message;
  } catch (const std::exception& e) {
    text = e.what();
  } catch (...) {
    text = "an unknown exception";
  }
  memory_.give_up(text);
  for (auto& side : sides_) side.device->abandon();
  if (!failures_.empty()) failures_.raise(plan_, scalars_.step + 1);
  std::rethrow_exception(why);
}

std::span<const double> StreamExecution::totals(size_t result) const {
  if (total_offset_.at(result) < 0) return {};
  return {reinterpret_cast<const double*>(totals_[0].at(total_offset_[result])),
          size_t(plan_.results[result].type.elements(plan_.batch))};
}

void StreamExecution::read(size_t result, void* out) const {
  auto& r = plan_.results.at(result);
  for (size_t k = 0; k < r.slots.size(); ++k) {
    auto& slot = plan_.slots[size_t(r.slots[k])];
    auto to = static_cast<std::byte*>(out) + (r.type.batched() ? r.type.bytes(1) * r.rows[k] : 0);
    if (slot.input >= 0) {
      std::memcpy(to, slice_of(plan_, slot, given_), size_t(slot.bytes));
      continue;
    }
    const void* from = memory_.arena(slot.device) + slot.offset;
    if (slot.state >= 0) from = state_.data(slot.device, state_index_[size_t(slot.state)]);
    sides_[size_t(slot.device)].device->read(to, from, slot.bytes);
  }
}

std::unique_ptr<Execution> make_stream_execution(const Plan& plan, const Registry& registry,
                                                 State& state, Memory& memory,
                                                 const ExecutorOptions& options) {
  return std::make_unique<StreamExecution>(plan, registry, state, memory, options);
}

}  // namespace braid
