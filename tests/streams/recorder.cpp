#include "streams/recorder.h"

#include <algorithm>
#include <cstring>
#include <map>

#include <braid/nodes/builtin.h>

namespace braid {

struct Queue {
  int index;
};

}  // namespace braid

namespace braid::test {
namespace {

Range reads(const void* p, int64_t n) { return {static_cast<const std::byte*>(p), n, false}; }
Range writes(const void* p, int64_t n) { return {static_cast<const std::byte*>(p), n, true}; }

class RecordingDevice : public Device {
 public:
  RecordingDevice(Recorder& recorder, int placement) : recorder_(recorder), placement_(placement) {}

  void activate() override {}
  Queue* queue(int index) override {
    auto& queue = queues_[index];
    if (!queue) queue = std::make_unique<Queue>(Queue{placement_ * 16 + index});
    return queue.get();
  }
  void upload(Queue* q, const CopyPiece& p) override { copy(q, p); }
  void download(Queue* q, const CopyPiece& p) override { copy(q, p); }
  void fill(Queue* q, void* to, int byte, int64_t bytes) override {
    std::memset(to, byte, size_t(bytes));
    recorder_.add({.queue = q->index, .ranges = {writes(to, bytes)}});
  }
  void receive(Queue* q, Device&, std::span<const CopyPiece> pieces) override {
    for (auto& p : pieces) copy(q, p, true);
  }
  void sum(Queue* q, std::span<Device* const> devices, std::span<const SumPiece> pieces) override {
    Command c{.queue = q->index, .of_step = true};
    for (auto& p : pieces)
      for (size_t d = 0; d < devices.size(); ++d) {
        const int64_t bytes = p.count * int64_t(size_of(p.dtype));
        std::memset(p.sums[d], 0, size_t(bytes));
        c.ranges.push_back(reads(p.parts[d], bytes));
        c.ranges.push_back(writes(p.sums[d], bytes));
      }
    recorder_.add(std::move(c));
  }
  void copy(Queue* q, Device&, Device&, const CopyPiece& p) override { copy(q, p); }
  void abandon() noexcept override {}

  Event* make_timer() override { return make_event(); }
  int64_t elapsed(Event*, Event*) override { return 0; }
  Event* make_event() override { return reinterpret_cast<Event*>(new char); }
  void release(Event* event) noexcept override { delete reinterpret_cast<char*>(event); }
  using DeviceMemory::release;
  void record(Queue* q, Event* event) override {
    recorder_.add({.kind = Command::Kind::record, .queue = q->index, .event = event});
  }
  void wait(Queue* q, Event* event) override {
    recorder_.add({.kind = Command::Kind::wait, .queue = q->index, .event = event});
  }
  bool done(Event* event) override {
    recorder_.add({.kind = Command::Kind::host, .queue = placement_ * 16 + 15, .event = event});
    return true;
  }

  void begin_recording(Queue*) override {}
  Recording* end_recording(Queue*) override { return nullptr; }
  void abandon_recording(Queue*) noexcept override {}
  void replay(Queue*, Recording*) override {}
  void release(Recording*) noexcept override {}

  void join_status(Queue* q, const int64_t* status, int64_t words, int* stop) override {
    *stop = 0;
    recorder_.add({.queue = q->index,
                   .ranges = {reads(status, words * 8), writes(stop, int64_t(sizeof *stop))}});
  }
  void count_not_finite(Queue* q, DType dtype, const void* values, int64_t count,
                        int64_t* counts) override {
    recorder_.add({.queue = q->index,
                   .ranges = {reads(values, count * int64_t(size_of(dtype))), writes(counts, 24)}});
  }

 private:
  void copy(Queue* q, const CopyPiece& p, bool of_step = false) {
    std::memcpy(p.to, p.from, size_t(p.bytes));
    recorder_.add({.queue = q->index,
                   .of_step = of_step,
                   .ranges = {reads(p.from, p.bytes), writes(p.to, p.bytes)}});
  }

  Recorder& recorder_;
  int placement_;
  std::map<int, std::unique_ptr<Queue>> queues_;
};

// A launch touches the operands of its parts, its workspace, its words, and reads the scalars.
Launch footprint(Recorder& recorder, std::vector<Signature> parts, std::vector<int> writes_state) {
  constexpr int64_t workspace = 512;
  return {[=, &recorder](const LaunchArgs& a) {
            // Nobody is told of steps behind the gate.
            Command c{.queue = a.queue->index, .of_step = a.stop == nullptr};
            c.ranges.push_back(writes(a.workspace, workspace));
            if (a.stop) c.ranges.push_back(reads(a.stop, int64_t(sizeof(int))));
            if (a.status) c.ranges.push_back(writes(a.status, 8 * int64_t(parts.size())));
            for (size_t p = 0; p < parts.size(); ++p) {
              auto& args = a.parts[p];
              c.ranges.push_back(reads(args.scalars, int64_t(sizeof(Scalars))));
              for (size_t i = 0; i < parts[p].in.size(); ++i) {
                bool state = std::ranges::find(writes_state, int(i)) != writes_state.end();
                c.ranges.push_back(
                    {static_cast<std::byte*>(args.inputs[i]), parts[p].in[i].bytes(), state});
              }
              for (size_t i = 0; i < parts[p].out.size(); ++i) {
                std::memset(args.outputs[i], 0, size_t(parts[p].out[i].bytes()));
                c.ranges.push_back(writes(args.outputs[i], parts[p].out[i].bytes()));
              }
            }
            recorder.add(std::move(c));
          },
          workspace};
}

class RecordingBackend : public Backend {
 public:
  RecordingBackend(Recorder& recorder, std::set<std::string> alone)
      : recorder_(recorder), alone_(std::move(alone)) {}
  std::string kind() const override { return "cuda"; }
  std::string versions() const override { return "none"; }
  std::vector<DeviceInfo> devices() const override {
    return {{.name = "cuda:0", .model = "recorder", .isa = "none", .memory = int64_t{1} << 40}};
  }
  void register_kernels(Registry& registry) const override {
    for (auto& op : registry.ops()) {
      if (!registry.has_kernel(op, "cpu")) continue;
      auto* recorder = &recorder_;
      auto written = registry.op(op)->writes;
      const bool gang = !alone_.contains(op);
      registry.add(
          Kernel{op, "cuda", [=](const Signature& s, const DeviceTraits&) {
                   return std::optional(Offer{
                       .impl = "record:" + op,
                       .in_formats = std::vector<Format>(s.in.size()),
                       .out_formats = std::vector<Format>(s.out.size()),
                       .alias = written.empty() && !s.in.empty() && s.out.size() == 1 &&
                                        s.in[0].bytes() == s.out[0].bytes()
                                    ? 0
                                    : -1,
                       .launch =
                           [=](std::span<const Signature> parts) {
                             return footprint(*recorder, {parts.begin(), parts.end()}, written);
                           },
                       .gang = gang});
                 }});
    }
  }
  std::shared_ptr<Device> open(const std::string&) override {
    return std::make_shared<RecordingDevice>(recorder_, opened_++);
  }

 private:
  Recorder& recorder_;
  std::set<std::string> alone_;
  int opened_ = 0;
};

}  // namespace

void Recorder::add(Command command) {
  std::lock_guard lock(mutex_);
  if (command.of_step) command.step = step_;
  queues_ = std::max(queues_, command.queue + 1);
  int position = 1;
  for (size_t i = commands_.size(); i-- > 0;)
    if (commands_[i].queue == command.queue) {
      position = position_[i] + 1;
      break;
    }
  commands_.push_back(std::move(command));
  position_.push_back(position);
  known_ = false;
}

void Recorder::restart() {
  commands_.clear();
  position_.clear();
  step_ = -1;
  known_ = false;
}

std::vector<size_t> Recorder::waits() const {
  std::vector<size_t> found;
  for (size_t i = 0; i < commands_.size(); ++i)
    if (commands_[i].kind == Command::Kind::wait) found.push_back(i);
  return found;
}

std::vector<Recorder::Clock> Recorder::clocks(int without) const {
  std::vector<Clock> all(commands_.size());
  std::vector<Clock> now(size_t(queues_), Clock(size_t(queues_), 0));
  std::map<const void*, Clock> recorded;
  for (size_t i = 0; i < commands_.size(); ++i) {
    auto& c = commands_[i];
    auto& clock = now[size_t(c.queue)];
    if ((c.kind == Command::Kind::wait || c.kind == Command::Kind::host) && int(i) != without)
      if (auto found = recorded.find(c.event); found != recorded.end())
        for (size_t q = 0; q < clock.size(); ++q) clock[q] = std::max(clock[q], found->second[q]);
    clock[size_t(c.queue)] = position_[i];
    all[i] = clock;
    if (c.kind == Command::Kind::record) recorded[c.event] = clock;
  }
  return all;
}

bool Recorder::before(const std::vector<Clock>& clocks, size_t a, size_t b) const {
  return clocks[b][size_t(commands_[a].queue)] >= position_[a];
}

const std::vector<std::pair<int, int>>& Recorder::conflicts() const {
  if (known_) return conflicts_;
  struct Use {
    Range range;
    int command;
  };
  std::vector<Use> uses;
  for (size_t i = 0; i < commands_.size(); ++i)
    for (auto& range : commands_[i].ranges)
      if (range.bytes > 0) uses.push_back({range, int(i)});
  std::ranges::stable_sort(uses, {}, [](const Use& u) { return u.range.begin; });
  std::set<std::pair<int, int>> pairs;
  for (size_t i = 0; i < uses.size(); ++i)
    for (size_t k = i + 1; k < uses.size(); ++k) {
      if (uses[k].range.begin >= uses[i].range.begin + uses[i].range.bytes) break;
      if (!uses[i].range.write && !uses[k].range.write) continue;
      int a = uses[i].command, b = uses[k].command;
      if (a != b) pairs.emplace(std::min(a, b), std::max(a, b));
    }
  conflicts_.assign(pairs.begin(), pairs.end());
  known_ = true;
  return conflicts_;
}

std::vector<std::string> Recorder::judge(int without, size_t most) const {
  std::vector<std::string> found;
  auto all = clocks(without);
  for (auto [a, b] : conflicts()) {
    if (before(all, size_t(a), size_t(b))) continue;
    found.push_back("commands " + std::to_string(a) + " (step " +
                    std::to_string(commands_[size_t(a)].step) + ") and " + std::to_string(b) +
                    " (step " + std::to_string(commands_[size_t(b)].step) +
                    ") touch the same memory in no order");
    if (found.size() == most) return found;
  }
  for (size_t h = 0; h < commands_.size() && found.size() < most; ++h)
    for (size_t i = 0; commands_[h].kind == Command::Kind::host && i < h; ++i)
      if (commands_[i].kind == Command::Kind::work && !before(all, i, h) && found.size() < most)
        found.push_back("the host does not wait for command " + std::to_string(i));
  return found;
}

std::vector<std::string> Recorder::judge_plan(const Plan& plan, int without, size_t most) const {
  std::vector<std::string> found;
  auto all = clocks(without);
  std::vector<int> first(plan.strands.size(), -1), last(plan.strands.size(), -1);
  for (size_t i = 0; i < commands_.size(); ++i) {
    if (commands_[i].kind != Command::Kind::work || commands_[i].step < 0) continue;
    auto strand = size_t(plan.steps[size_t(commands_[i].step)].strand);
    if (first[strand] < 0) first[strand] = int(i);
    last[strand] = int(i);
  }
  for (size_t s = 0; s < plan.strands.size() && found.size() < most; ++s)
    for (int q : plan.strands[s].preds)
      if (first[s] >= 0 && last[size_t(q)] >= 0 &&
          !before(all, size_t(last[size_t(q)]), size_t(first[s])))
        found.push_back("strand " + std::to_string(s) + " does not wait for strand " +
                        std::to_string(q));
  return found;
}

std::shared_ptr<Backend> make_recording_backend(Recorder& recorder, std::set<std::string> alone) {
  return std::make_shared<RecordingBackend>(recorder, std::move(alone));
}

}  // namespace braid::test
