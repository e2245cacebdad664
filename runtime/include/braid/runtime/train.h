// Training: steps over data.train, evaluation over data.test, checkpoints, weights.
//
//   Session session = Session::open("digits.yaml");
//   auto report = train(session, {.out = "runs/digits", .on_event = [](const TrainEvent& e) {
//     if (e.kind == TrainEvent::Kind::step) std::printf("%ld %f\n", long(e.step), e.loss);
//   }});
//   report.weights;   // "runs/digits/weights.safetensors"
#pragma once
#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>

#include <braid/runtime/session.h>

namespace braid {

struct TrainEvent {
  enum class Kind { start, step, eval, checkpoint, note, done } kind = Kind::step;
  int64_t step = 0, steps = 0;  ///< optimizer steps done, and in all (0 = time ends the run)
  int64_t epoch = 0;            ///< 1-based
  int64_t samples = 0;          ///< of this step
  double loss = 0, lr = 0;
  double seconds = 0;            ///< since training began (steps done before a resume do not count)
  double images_per_second = 0;  ///< over the steps so far, evaluation and saving left out
  std::map<std::string, double> metrics = {};
  bool best = false;      ///< evaluations: better than all before
  std::string text = {};  ///< notes: what was resumed, what differs; checkpoint: its path
};

struct TrainOptions {
  std::optional<int64_t> steps = {};  ///< overrides the file; counted from the start of the run
  std::string out = {};               ///< "" = write nothing
  bool resume = false;                ///< from `resume_from`, else `out`
  std::string resume_from = {};
  bool exact = false;         ///< refuse to resume under another program hash
  bool check_finite = false;  ///< NaN or infinities anywhere end the run: see ExecutorOptions
  std::function<void(const TrainEvent&)> on_event = {};
  /// Asked after each step; true ends the run with everything saved.
  std::function<bool()> stop = {};
  /// The same by request of another thread: std::stop_source::request_stop().
  std::stop_token stop_token = {};
  std::optional<double> seconds = {};  ///< the run ends after so many, if not before
  /// In place of the file's `keep_best`: what says which evaluation is the best.
  std::optional<Goodness> keep_best = {};
  /// At the end the session has the weights of the best evaluation, where there is one.
  bool take_best = false;
};

struct TrainReport {
  int64_t steps = 0;      ///< done in all
  int64_t steps_run = 0;  ///< by this call
  bool stopped = false;
  double loss = 0;                             ///< of the last step; NaN when none was run
  std::map<std::string, double> metrics = {};  ///< of the last evaluation on data.test
  std::string weights = {}, sha256 = {};
  double images_per_second = 0;
  std::string best_weights = {};  ///< of the best evaluation (`keep_best`), "" = none was kept
  int64_t best_step = 0;
  double best = 0;
};

/// Throws Error(model) when the file lacks a loss, an optimizer or data, Error(data) for the data,
/// Error(output) when `out` cannot be written (found before the first step).
TrainReport train(Session& session, const TrainOptions& options = {});

}  // namespace braid
