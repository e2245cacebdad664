#include "stop.h"

#include <atomic>

#include <unistd.h>

namespace braid::cli {
namespace {

constexpr int signals[] = {SIGINT, SIGTERM, SIGUSR1, SIGHUP};
constexpr int interrupted = 130;
constexpr int requeue = 75;

// A handler has no other way to be heard. Lock-free, hence safe in a handler.
std::atomic<int> asked{0};
static_assert(std::atomic<int>::is_always_lock_free);

extern "C" void on_signal(int signal) {
  if (signal == SIGINT && asked == interrupted) _exit(interrupted);
  asked = signal == SIGINT ? interrupted : requeue;
}

}  // namespace

StopSignals::StopSignals() {
  asked = 0;
  struct sigaction action = {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  for (int i = 0; i < count; ++i) {
    sigaction(signals[i], nullptr, &before_[i]);
    // What the parent ignores stays ignored: nohup, and jobs in the background of a script.
    if (before_[i].sa_handler != SIG_IGN) sigaction(signals[i], &action, nullptr);
  }
}

StopSignals::~StopSignals() {
  for (int i = 0; i < count; ++i) sigaction(signals[i], &before_[i], nullptr);
}

int StopSignals::code() const { return asked; }

}  // namespace braid::cli
