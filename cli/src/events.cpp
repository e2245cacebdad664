#include "events.h"

#include "json.h"

namespace braid::cli {
namespace {

using Kind = TrainEvent::Kind;

Json json_of(const TrainEvent& e) {
  switch (e.kind) {
    case Kind::start:
      return {{"event", "start"}, {"step", e.step}, {"steps", e.steps}};
    case Kind::step: {
      Json out = {
          {"event", "step"}, {"step", e.step}, {"loss", e.loss}, {"lr", e.lr}, {"epoch", e.epoch}};
      if (!e.metrics.empty()) out["metrics"] = e.metrics;
      return out;
    }
    case Kind::eval: {
      Json out = {{"event", "eval"},
                  {"step", e.step},
                  {"epoch", e.epoch},
                  {"loss", e.loss},
                  {"metrics", e.metrics}};
      if (e.best) out["best"] = true;
      return out;
    }
    case Kind::checkpoint:
      return {{"event", "checkpoint"}, {"step", e.step}, {"path", e.text}};
    case Kind::note:
      return {{"event", "note"}, {"step", e.step}, {"text", e.text}};
    case Kind::done:
      break;  // done_line() has more to say
  }
  return {};
}

}  // namespace

std::string event_line(const TrainEvent& event) {
  Json json = json_of(event);
  return json.is_null() ? "" : line(json);
}

std::string done_line(const TrainReport& r) {
  Json out = {{"event", "done"},      {"steps", r.steps},     {"loss", r.loss},
              {"metrics", r.metrics}, {"weights", r.weights}, {"sha256", r.sha256}};
  if (r.stopped) out["stopped"] = true;
  if (r.best_step)
    out["best"] = {{"step", r.best_step}, {"value", r.best}, {"weights", r.best_weights}};
  return line(out);
}

}  // namespace braid::cli
