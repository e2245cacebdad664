#include "pipeline/batch_station.h"

#include <algorithm>

#include "execution.h"
#include "pipeline/stream.h"

namespace braid {

BatchStation::BatchStation(Stream& stream, StageRun& stage)
    : Station(stream, {&stage}, 1, true), wait_(int64_t(stage.decl->wait_ms * 1e6)) {
  open_.reserve(size_t(stage.decl->max));
}

// With the lock, as admit().
void BatchStation::add(Shell* shell, Next& next) {
  if (open_.empty()) {
    due_ = wait_ == 0;
    deadline_ = now() + wait_;
    if (!due_) stream_.timer().set(this, deadline_);
  }
  open_.push_back(shell);
  ++stage().tally(next.slot()).in;
}

// With the lock. A batch that is not full waits until the stage behind it has nothing to do, and
// grows meanwhile.
bool BatchStation::may_go() {
  if (open_.empty()) return false;
  if (full() || nothing_more_) return reserve();
  auto idle = [&] {
    return std::ranges::all_of(users, [](const Edge& edge) { return edge.to->idle(); });
  };
  if (!due_) return false;
  if (idle()) return reserve();
  starved_ = true;
  return idle() && reserve();
}

void BatchStation::admit(SpinLock& lock, Next& next) {
  while (running_ == 0 && !full() && !line_.empty()) {
    Shell* shell = line_.pop();
    const Edge& edge = *shell->edge;
    add(shell, next);
    lock.unlock();
    made_room(edge, next);
    lock.lock();
  }
  if (running_ > 0 || !may_go()) return;
  ++running_;
  lock.unlock();
  next.offer(*this, nullptr);
  lock.lock();
}

// The batch as it stands: nobody adds to it while the station runs.
void BatchStation::carry(Shell*, Next& next) {
  Shell* batch = stream_.batch();
  std::vector<Item> items(open_.size());
  for (size_t i = 0; i < items.size(); ++i) items[i] = std::move(open_[i]->item);
  Tally& tally = stage().tally(next.slot());
  ++tally.out, tally.members += int64_t(items.size());
  batch->item = items.front().type()->collect(items);
  batch->parts.assign(open_.begin(), open_.end());
  open_.clear();
  due_ = nothing_more_ = false;
  deliver(batch, next);
  finish(next);
}

void BatchStation::due(Next& next) {
  SpinLock lock(mutex_);
  if (open_.empty() || running_ > 0 || now() < deadline_) return;
  due_ = true;
  admit(lock, next);
}

bool BatchStation::settle(Next& next) {
  SpinLock lock(mutex_);
  if (open_.empty()) return false;
  nothing_more_ = true;
  admit(lock, next);
  return running_ > 0;
}

UnbatchStation::UnbatchStation(Stream& stream, StageRun& stage)
    : Station(stream, {&stage}, 1, true) {}

Shell* UnbatchStation::work(Shell* shell, Next& next) {
  Tally& tally = stage().tally(next.slot());
  ++tally.in;
  const size_t parts = shell->parts.size(), items = shell->item.type()->count(shell->item);
  if (!stream_.failing() && parts == items) return shell;
  if (parts != items) {
    ++tally.failed;
    stream_.fail(
        stage(), token_of(*shell),
        std::make_exception_ptr(Error(Fault::run, "E0463",
                                      "a batch of " + std::to_string(parts) +
                                          " items has come back as " + std::to_string(items))));
  }
  stream_.let_go(shell, next);
  return nullptr;
}

void UnbatchStation::deliver(Shell* batch, Next& next) {
  const size_t count = batch->parts.size();
  std::vector<Item> items(count);
  batch->item.type()->spread(batch->item, items);
  for (auto& edge : users) edge.give(1 - int64_t(count));  // room was reserved for one
  stage().tally(next.slot()).out += int64_t(count);
  for (size_t i = 0; i < count; ++i) {
    batch->parts[i]->item = std::move(items[i]);
    Station::deliver(batch->parts[i], next);
  }
  batch->parts.clear();
  stream_.let_go(batch, next);
}

}  // namespace braid
