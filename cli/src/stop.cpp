#include "stop.h"

#include <atomic>

#include <ctime>

#include <unistd.h>

namespace braid::cli {
namespace {

constexpr int signals[] = {SIGINT, SIGTERM, SIGUSR1, SIGHUP};
constexpr int interrupted = 130;
constexpr int requeue = 75;

// A handler has no other way to be heard. Lock-free, hence safe in a handler.
std::atomic<int> asked{0};
static_assert(std::atomic<int>::is_always_lock_free);

std::atomic<int64_t> asked_at{0};  // milliseconds
static_assert(std::atomic<int64_t>::is_always_lock_free);
std::atomic<bool> streaming{false}, cancelled{false};
static_assert(std::atomic<bool>::is_always_lock_free);
constexpr int64_t one_press = 500;  // a key that bounces, or is pressed in haste, counts once

int64_t now() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

template <size_t size>
void say(const char (&text)[size]) {
  if (write(STDERR_FILENO, text, size - 1) < 0) return;  // nobody listens
}

extern "C" void on_signal(int signal) {
  if (signal == SIGINT && asked == interrupted) {
    if (now() - asked_at < one_press) return;
    if (streaming && !cancelled) {
      asked_at = now();
      cancelled = true;
      say("\nletting go what is under way (Ctrl-C again leaves at once)\n");
      return;
    }
    say("\nleft at once: only what was saved before is saved\n");
    _exit(interrupted);
  }
  asked_at = now();
  asked = signal == SIGINT ? interrupted : requeue;
  if (streaming)
    say("\nno more items; those under way go to their end (Ctrl-C again lets them go)\n");
  else
    say("\nstopping after this step, and saving (Ctrl-C again leaves at once)\n");
}

}  // namespace

StopSignals::StopSignals(Of what) {
  asked = 0;
  streaming = what == Of::stream;
  cancelled = false;
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
bool StopSignals::twice() const { return cancelled; }

}  // namespace braid::cli
