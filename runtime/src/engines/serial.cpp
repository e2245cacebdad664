#include <algorithm>
#include <semaphore>

#include <braid/core/error.h>

#include "engines/engine.h"

namespace braid {
namespace {

class SerialEngine : public Engine {
 public:
  SerialEngine(const Plan& plan, RunStrand run, External external)
      : count_(int(plan.strands.size())), run_(std::move(run)), external_(std::move(external)) {}
  int workers() const override { return 1; }
  void run() override {
    for (int s = 0; s < count_; ++s) run_or_wait(run_, external_, s, 0);
  }

 private:
  int count_;
  RunStrand run_;
  External external_;
};

}  // namespace

std::vector<int> predecessors(const Strand& strand) {
  auto before = strand.preds;
  if (strand.turn >= 0 && std::ranges::find(before, strand.turn) == before.end())
    before.push_back(strand.turn);
  return before;
}

void run_or_wait(const RunStrand& run, const External& external, int strand, int worker) {
  if (!external.has(strand)) return run(strand, worker);
  auto done = std::make_shared<std::binary_semaphore>(0);
  external.start(strand, worker, [done] { done->release(); });
  done->acquire();
}

std::unique_ptr<Engine> make_serial_engine(const Plan& plan, RunStrand run, External external) {
  return std::make_unique<SerialEngine>(plan, std::move(run), std::move(external));
}

std::unique_ptr<Engine> make_engine(const EngineOptions& options, const Plan& plan, RunStrand run,
                                    External external) {
  auto& name = options.name;
  if (name == "serial" || name == "reference")
    return make_serial_engine(plan, std::move(run), std::move(external));
  if (name == "tbb") {
    auto arena = options.arena ? options.arena : std::make_shared<TaskArena>(options.threads);
    return make_tbb_engine(plan, std::move(run), std::move(arena), std::move(external));
  }
  if (name == "threads")
    return make_threads_engine(plan, std::move(run), options.threads, 1, std::move(external));
  throw Error(Fault::usage, "E0506", "unknown engine '" + name + "': tbb or serial");
}

}  // namespace braid
