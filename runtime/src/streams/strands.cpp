// What a strand puts into its queue.
#include "streams/stream_execution.h"

namespace braid {

// A strand whose predecessor failed does not run; a global flag would let timing decide which of
// two faults is reported.
bool StreamExecution::skip(int strand) {
  for (int q : plan_.strands[size_t(strand)].preds)
    if (skipped_[size_t(q)]) {
      skipped_[size_t(strand)] = 1;
      return true;
    }
  return false;
}

void StreamExecution::run_strand(int strand) noexcept {
  fired_.fetch_add(1, std::memory_order_relaxed);
  if (skip(strand)) return;
  int step = plan_.strands[size_t(strand)].steps[0];
  try {
    enqueue(strand, step);
  } catch (...) {
    skipped_[size_t(strand)] = 1;
    failures_.record(step, std::current_exception());
  }
}

void StreamExecution::enqueue(int s, int& step) {
  auto& strand = plan_.strands[size_t(s)];
  auto& side = sides_[size_t(strand.device)];
  auto* queue = queue_of(strand);
  side.device->activate();
  for (int q : strand.waits)  // a recording begins where all before it is done
    if (recording_ < 0 || segment_of_[size_t(q)] == recording_)
      side.device->wait(queue, events_[size_t(q)]);
  for (int id : strand.steps) {
    if (plan_.steps[size_t(id)].kind == StepKind::gate && !failures_.empty()) {
      skipped_[size_t(s)] = 1;
      return;
    }
    enqueue_step(step = id, side, queue);
  }
  if (events_[size_t(s)]) side.device->record(queue, events_[size_t(s)]);
}

void StreamExecution::enqueue_step(int id, Side& side, Queue* queue) {
  auto& step = plan_.steps[size_t(id)];
  if (on_step && !step.gated) on_step(id);
  if (timing) side.device->record(queue, timers_[size_t(id)].begin);
  switch (step.kind) {
    case StepKind::kernel:
      enqueue_kernel(id, side, queue);
      break;
    case StepKind::transfer:
      enqueue_transfer(id, side, queue);
      break;
    case StepKind::sum:
      enqueue_sum(id, side, queue);
      break;
    case StepKind::gate:
      enqueue_gate();
      break;
    case StepKind::hook:
      bug("a hook is enqueued");
  }
  if (!timing) return;
  side.device->record(queue, timers_[size_t(id)].end);
  times[size_t(id)].worker = track_of(step);
}

void StreamExecution::enqueue_kernel(int id, Side& side, Queue* queue) {
  auto& step = plan_.steps[size_t(id)];
  auto& strand = plan_.strands[size_t(step.strand)];
  const int64_t word = offsets_.status[size_t(id)];
  auto words = reinterpret_cast<int64_t*>(side.control.at());
  launches_[size_t(id)].enqueue(
      {.queue = queue,
       .parts = current_->arguments[size_t(id)],
       .workspace = side.workspaces[size_t(strand.stream)].at(),
       .status = word < 0 ? nullptr : words + word,
       .stop =
           step.gated ? reinterpret_cast<const int*>(side.control.at(offsets_.stop)) : nullptr});
  if (options_.digest) keep_digests(id, side, queue);
  if (!check_finite || word < 0) return;
  int64_t* counts = words + offsets_.counts[size_t(id)];
  for (int p = 0; p < parts_of(step); ++p) {
    auto part = part_of(plan_, step, p);
    auto& operands = plan_.kernels[size_t(part.step.kernel)].signature.out;
    for (size_t k = 0; k < operands.size(); ++k, counts += 3)
      if (is_floating(operands[k].dtype))
        side.device->count_not_finite(queue, operands[k].dtype,
                                      current_->arguments[size_t(id)][size_t(p)].outputs[k],
                                      operands[k].storage(), counts);
  }
}

void StreamExecution::enqueue_transfer(int id, Side& side, Queue* queue) {
  auto& step = plan_.steps[size_t(id)];
  auto pointers = &current_->pointers[size_t(step.first)];
  std::vector<CopyPiece> pieces;
  for (int k = 0; k < step.outputs; ++k)
    pieces.push_back({pointers[step.inputs + k], pointers[k],
                      plan_.slots[size_t(plan_.out(step)[size_t(k)])].bytes});
  auto& source = sides_[size_t(plan_.slots[size_t(plan_.in(step)[0])].device)];
  side.device->receive(queue, *source.device, pieces);
}

void StreamExecution::enqueue_sum(int id, Side& side, Queue* queue) {
  auto& step = plan_.steps[size_t(id)];
  auto& values = plan_.kernels[size_t(step.kernel)].signature.out;
  auto pointers = &current_->pointers[size_t(step.first)];
  std::vector<Device*> devices;
  for (auto& s : sides_) devices.push_back(s.device);
  std::vector<SumPiece> pieces;
  for (size_t k = 0; k < values.size(); ++k) {
    pieces.push_back({.dtype = values[k].dtype, .count = values[k].storage()});
    for (size_t d = 0; d < devices.size(); ++d) {
      pieces.back().parts.push_back(pointers[d * values.size() + k]);
      pieces.back().sums.push_back(pointers[size_t(step.inputs) + d * values.size() + k]);
    }
  }
  side.device->sum(queue, devices, pieces);
}

// The gate stands on the first device, behind every step that can fail on any of them.
void StreamExecution::enqueue_gate() {
  auto& first = sides_[0];
  const int64_t words = check_finite ? offsets_.all_words : offsets_.words;
  auto* stop = reinterpret_cast<int*>(first.control.at(offsets_.stop));
  if (!gathered_) {
    first.device->join_status(origin(), reinterpret_cast<int64_t*>(first.control.at()), words,
                              stop);
    return;
  }
  for (size_t d = 0; d < sides_.size(); ++d)
    first.device->copy(origin(), *first.device, *sides_[d].device,
                       {gathered_->at(words * 8 * int64_t(d)), sides_[d].control.at(), words * 8});
  first.device->join_status(origin(), reinterpret_cast<int64_t*>(gathered_->at()),
                            words * int64_t(sides_.size()), stop);
  for (size_t d = 1; d < sides_.size(); ++d)
    first.device->copy(origin(), *sides_[d].device, *first.device,
                       {sides_[d].control.at(offsets_.stop), stop, int64_t(sizeof *stop)});
}

void StreamExecution::keep_digests(int id, Side& side, Queue* queue) {
  auto found = digest_of_.find(id);
  if (found == digest_of_.end()) return;
  for (auto& digest : found->second)
    side.device->download(
        queue, {digest.memory.at(), current_->pointers[size_t(digest.operand)], digest.bytes});
}

// A hook needs the host: what it is shown comes to the host, and the watcher calls it when it is
// there. No body waits meanwhile.
void StreamExecution::start_hook(int strand, std::function<void()> done) {
  fired_.fetch_add(1, std::memory_order_relaxed);
  if (skip(strand)) return done();
  const int step = plan_.strands[size_t(strand)].steps[0];
  try {
    auto& side = sides_[size_t(plan_.strands[size_t(strand)].device)];
    side.device->activate();
    for (int q : plan_.strands[size_t(strand)].waits)
      side.device->wait(queue_of(plan_.strands[size_t(strand)]), events_[size_t(q)]);
    auto* queue = queue_of(plan_.strands[size_t(strand)]);
    show(strand, queue);
    watcher_->watch(*side.device, shown_.at(step).event, options_.deadline,
                    [this, strand, queue, done](std::exception_ptr failed) {
                      call_hook(strand, queue, failed);
                      done();
                    });
  } catch (...) {
    skipped_[size_t(strand)] = 1;
    failures_.record(step, std::current_exception());
    done();
  }
}

void StreamExecution::show(int strand, Queue* queue) {
  const int id = plan_.strands[size_t(strand)].steps[0];
  auto& step = plan_.steps[size_t(id)];
  auto& side = sides_[size_t(step.device)];
  auto& shown = shown_.at(id);
  auto* from = &current_->pointers[size_t(step.first)];
  for (int k = 0; k < step.inputs; ++k)
    side.device->download(queue, {shown.pointers[size_t(k)], from[k],
                                  plan_.slots[size_t(plan_.in(step)[size_t(k)])].bytes});
  side.device->record(queue, shown.event);
}

void StreamExecution::call_hook(int strand, Queue* queue, std::exception_ptr failed) noexcept {
  const int id = plan_.strands[size_t(strand)].steps[0];
  auto& step = plan_.steps[size_t(id)];
  try {
    if (failed) std::rethrow_exception(failed);
    auto& side = sides_[size_t(step.device)];
    auto& shown = shown_.at(id);
    if (on_step) on_step(id);
    const int64_t begin = timing ? now() : 0;
    hooks_.run(step, shown.pointers.data(), shown.pointers.data() + step.inputs, scalars_);
    if (timing) times[size_t(id)] = {begin, now(), track_of(step)};
    side.device->activate();
    auto* to = &current_->pointers[size_t(step.first + step.inputs)];
    for (int k = 0; k < step.outputs; ++k)
      side.device->upload(queue, {to[k], shown.pointers[size_t(step.inputs + k)],
                                  plan_.slots[size_t(plan_.out(step)[size_t(k)])].bytes});
    if (events_[size_t(strand)]) side.device->record(queue, events_[size_t(strand)]);
  } catch (...) {
    skipped_[size_t(strand)] = 1;
    failures_.record(id, std::current_exception());
  }
}

}  // namespace braid
