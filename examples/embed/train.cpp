// Training under the program's control: progress, a stop from another thread, a budget of time, and
// the weights of the best evaluation at the end.
//
//   digits.yaml --open--> Session --train--+--> events: step, eval, note, done
//                                          |
//       a button, a signal, a deadline --stop_token--> ends after the step that is running
//                                          |
//                                          +--> report; the session has the best weights
#include <braid/runtime/train.h>

#include <cstdio>
#include <stop_token>

using braid::TrainEvent;

int main(int argc, char** argv) try {
  auto session = braid::Session::open(argc > 1 ? argv[1] : "examples/digits/digits.yaml");
  std::stop_source button;  // request_stop() may come from any thread

  braid::TrainOptions options;
  options.seconds = 60;
  options.stop_token = button.get_token();
  options.keep_best = braid::Goodness{.metric = "accuracy", .larger = true};
  options.take_best = true;
  options.on_event = [&](const TrainEvent& event) {
    if (event.kind != TrainEvent::Kind::eval) return;
    std::printf("epoch %d: accuracy %.3f%s\n", int(event.epoch), event.metrics.at("accuracy"),
                event.best ? ", the best so far" : "");
    if (event.epoch == 6) button.request_stop();  // it is enough
  };
  auto report = braid::train(session, options);
  std::printf("%s after %d steps; best: step %d, accuracy %.3f\n",
              report.stopped ? "stopped" : "ended", int(report.steps), int(report.best_step),
              report.best);
  return report.best > 0.8 ? 0 : 1;
} catch (const braid::Error& error) {
  std::fputs(error.what(), stderr);
  return int(error.fault());
}
