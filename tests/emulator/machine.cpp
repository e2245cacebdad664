#include "machine.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "emulator.h"

namespace emulator {
namespace {

struct sigaction before;

// Says what was touched; then the fault happens again, with nobody to catch it.
void explain(int, siginfo_t* info, void*) {
  Machine& m = Machine::get();
  const Allocation* a = m.memory.near(info->si_addr);
  auto* at = static_cast<unsigned char*>(info->si_addr);
  char text[2048];
  int n = 0;
  const char* who = m.running ? m.running : "host code";
  if (a && at >= a->memory && at < a->memory + a->bytes)
    n = std::snprintf(text, sizeof text,
                      "emulated CUDA: %s\n  touched memory of device %d, which is not its own\n",
                      who, a->device);
  else if (a)
    n = std::snprintf(text, sizeof text,
                      "emulated CUDA: %s\n  touched memory outside of an allocation of %zu bytes, "
                      "%td bytes from its beginning\n",
                      who, a->bytes, at - a->memory);
  else if (m.running)
    n = std::snprintf(text, sizeof text, "emulated CUDA: %s\n  touched %p, which is nobody's\n",
                      who, info->si_addr);
  if (n > 0 && write(2, text, size_t(n)) < 0) abort();
  sigaction(SIGSEGV, &before, nullptr);
}

void install() {
  struct sigaction action = {};
  action.sa_sigaction = explain;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGSEGV, &action, &before);
}

uint64_t scattered(uint64_t x) {
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
  x = (x ^ x >> 27) * 0x94d049bb133111eb;
  return x ^ x >> 31;
}

}  // namespace

void die(const char* format, ...) {
  std::fputs("emulated CUDA: ", stderr);
  va_list list;
  va_start(list, format);
  std::vfprintf(stderr, format, list);
  va_end(list);
  std::fputs("\n", stderr);
  std::abort();
}

Machine& Machine::get() {
  static Machine& machine = *[] {
    install();
    return new Machine;
  }();
  return machine;
}

Thread& this_thread() {
  thread_local Thread thread;
  return thread;
}

void Machine::reset() {
  streams.clear();
  default_streams.clear();
  events.clear();
  graphs.clear();
  executables.clear();
  scheduled.clear();
  memory.clear();
  pinned.clear();
  failed.clear();
  devices = 1;
  memory.limit = size_t(2) << 30;
  memory.protect(true);
  random.seed(1);
  preference_ = 0;
  failure = hang = {};
  this_thread() = {};
}

Stream* Machine::stream(cudaStream_t handle) {
  if (!handle) {
    auto& mine = default_streams[this_thread().device];
    if (!mine) mine = make_stream(this_thread().device);
    return mine.get();
  }
  auto found = streams.find(handle);
  return found == streams.end() ? nullptr : found->second.get();
}

std::shared_ptr<Stream> Machine::make_stream(int device) {
  auto made = std::make_shared<Stream>(Stream{.device = device, .id = next_stream_++});
  scheduled.push_back(made);
  return made;
}

OpPtr Machine::push(Stream& s, OpPtr op) {
  if (s.last && !s.last->done) op->after.push_back(s.last);
  s.queue.push_back(op);
  return s.last = op;
}

void Machine::mark(Stream& s, OpPtr after) {
  auto op = std::make_shared<Op>();
  if (after && !after->done) op->after.push_back(std::move(after));
  push(s, op);
}

cudaError_t Machine::enqueue(Stream& s, Work work) {
  if (!s.capture) {
    push(s, std::make_shared<Op>(Op{.work = std::move(work)}));
    return cudaSuccess;
  }
  if (s.capture->invalid) return cudaErrorStreamCaptureInvalidated;
  s.capture->graph->nodes.push_back({std::move(work), s.tails});
  s.tails = {int(s.capture->graph->nodes.size()) - 1};
  return cudaSuccess;
}

// Uniformly for a while, then by a preference among streams for a while: one that runs ahead of all
// others as far as it may finds other faults than a fair mixture does.
bool Machine::step() {
  std::vector<Stream*> ready;
  std::erase_if(scheduled, [](auto& s) { return s.use_count() == 1 && s->queue.empty(); });
  for (auto& s : scheduled) {
    if (s->queue.empty() || s->queue.front()->hung || failed.contains(s->device)) continue;
    auto& after = s->queue.front()->after;
    std::erase_if(after, [](auto& op) { return op->done; });
    if (after.empty()) ready.push_back(s.get());
  }
  if (ready.empty()) return false;
  if (random() % 8 == 0) preference_ = random() % 2 ? random() : 0;
  auto rank = [&](Stream* s) { return scattered(s->id ^ preference_); };
  Stream* s =
      preference_ ? *std::ranges::min_element(ready, {}, rank) : ready[random() % ready.size()];
  Op& op = *s->queue.front();
  if (advance(op)) {
    op.done = true;
    op.done_at = std::chrono::steady_clock::now().time_since_epoch().count();
    op.graph.reset();
    op.work.run = nullptr;
    s->queue.pop_front();
  }
  return true;
}

bool Machine::advance(Op& op) {
  if (!op.graph) return execute(op.work, op);
  auto& nodes = op.graph->nodes;
  op.done_nodes.resize(nodes.size());
  std::vector<size_t> ready;
  for (size_t i = 0; i < nodes.size(); ++i)
    if (!op.done_nodes[i] &&
        std::ranges::all_of(nodes[i].after, [&](int k) { return op.done_nodes[size_t(k)]; }))
      ready.push_back(i);
  if (ready.empty()) return true;
  const size_t i = ready[random() % ready.size()];
  if (execute(nodes[i].work, op)) op.done_nodes[i] = true;
  return false;
}

bool Machine::Fault::is_due(const char* kernel) {
  if (countdown == 0 || !std::strstr(kernel, name.c_str())) return false;
  return --countdown == 0;
}

/// False when it hangs, or its device has failed.
bool Machine::execute(const Work& work, Op& op) {
  if (work.kernel) {
    ++launches;
    if (hang.is_due(work.name)) {
      op.hung = true;
      return false;
    }
    if (failure.is_due(work.name)) {
      for (int d = 0; d < 16; ++d)
        if (work.devices >> d & 1) failed.insert(d);
      return false;
    }
  }
  if (!work.run) return true;
  if (work.kernel)
    memory.open(work.devices);
  else
    memory.open_only({work.to, work.from});
  running = work.name;
  work.run(random);
  running = nullptr;
  if (work.kernel) memory.look_after(work.name);
  return true;
}

cudaError_t Machine::finish(const OpPtr& op) {
  while (op && !op->done) {
    if (step()) continue;
    if (!failed.empty()) return cudaErrorIllegalAddress;
    die("a call waits for what never ends");
  }
  return cudaSuccess;
}

cudaError_t Machine::poll(const OpPtr& op, int device) {
  for (auto steps = random() % 4; steps-- > 0 && step();) {
  }
  if (auto bad = status(device); bad != cudaSuccess) return bad;
  return !op || op->done ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t Machine::finish_device(int device) {
  auto all = scheduled;
  for (auto& s : all)
    if (s->device == device)
      if (auto result = finish(s->last); result != cudaSuccess) return result;
  return cudaSuccess;
}

// ---- what tests say

void reset() { Call().m.reset(); }
void set_devices(int count) { Call().m.devices = count; }
void set_memory(int64_t bytes) { Call().m.memory.limit = size_t(bytes); }
void seed(uint64_t seed) { Call().m.random.seed(seed); }
void protect(bool on) { Call().m.memory.protect(on); }
void fail_launch(int nth, const std::string& name) { Call().m.failure = {nth, name}; }
void hang_launch(int nth, const std::string& name) { Call().m.hang = {nth, name}; }
int64_t launches() { return Call().m.launches; }
int64_t allocated() { return int64_t(Call().m.memory.used(-1)); }

}  // namespace emulator
