#include <braid/core/error.h>

#include "engines/engine.h"

namespace braid {
namespace {

class SerialEngine : public Engine {
 public:
  SerialEngine(const Plan& plan, RunStrand run) : count_(int(plan.strands.size())), run_(run) {}
  int workers() const override { return 1; }
  void run() override {
    for (int s = 0; s < count_; ++s) run_(s, 0);
  }

 private:
  int count_;
  RunStrand run_;
};

}  // namespace

std::unique_ptr<Engine> make_serial_engine(const Plan& plan, RunStrand run) {
  return std::make_unique<SerialEngine>(plan, std::move(run));
}

std::unique_ptr<Engine> make_engine(const std::string& name, const Plan& plan, RunStrand run,
                                    int threads) {
  if (name == "serial" || name == "reference") return make_serial_engine(plan, std::move(run));
  if (name == "tbb") return make_tbb_engine(plan, std::move(run), threads);
  if (name == "threads") return make_threads_engine(plan, std::move(run), threads, 1);
  throw Error(Fault::usage, "E0506", "unknown engine '" + name + "': tbb or serial");
}

}  // namespace braid
