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
      {options.engine, options.threads, options.arena}, plan,
      [this](int strand, int) { run_strand(strand); }, std::move(external));
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
    if (side.clock) side.device->release(side.clock);
  }
  for (size_t i = 0; i < timers_.size(); ++i)
    for (auto* event : {timers_[i].begin, timers_[i].end})
      sides_[size_t(plan_.steps[i].device)].device->release(event);
  if (start_) sides_[0].device->release(start_);
  if (end_) sides_[0].device->release(end_);
}

// Recording spans all queues that are forked from the first one, which asks for one GPU. In a
// recording no step has a time of its own.
bool StreamExecution::can_replay() const {
  return options_.replay && !options_.digest && !check_finite && !timing && !on_step &&
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
    if (timing) start_clocks();
    sides_[0].device->activate();
    prologue(binding);
    if (can_replay() && binding.runs > 0)
      replay(binding);
    else
      run_plain();
    epilogue();
    if (!next_.empty()) bring_next(next_);
    wait_for_end();
    if (timing) read_clocks();
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
  times.clear();
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
