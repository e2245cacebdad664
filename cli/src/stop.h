// Signals that end a run: the step is finished, everything is saved, and the exit code says why. A
// second Ctrl-C leaves at once; of a stream, a third one does, and the second lets go what is under
// way. Only the command installs handlers, never the library.
//
//   StopSignals signals;
//   train(session, {.stop = [&] { return signals.code() != 0; }});
//   return signals.code();   // 130 after Ctrl-C, 75 after SIGTERM, SIGUSR1 or a hang-up
#pragma once
#include <csignal>

namespace braid::cli {

class StopSignals {
 public:
  enum class Of { steps, stream };
  explicit StopSignals(Of what = Of::steps);
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  /// The exit code that was asked for; 0 = none.
  int code() const;
  /// Of a stream: Ctrl-C was pressed twice.
  bool twice() const;

 private:
  static constexpr int count = 4;
  struct sigaction before_[count];
};

}  // namespace braid::cli
