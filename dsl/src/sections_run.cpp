// How a run goes: `train`, `weights`, `precision`.
#include <algorithm>
#include <cmath>

#include "sections.h"

namespace braid::dsl {
namespace {

/// A number in (least, most).
std::optional<double> read_between(const Env& env, const Node& node, const std::string& what,
                                   double least, double most) {
  auto value = read_number(env, node, what);
  if (!value || (*value > least && *value < most)) return value;
  env.error("E0033", node.place,
            what + " must be above " + to_string(Attr(least)) +
                (std::isfinite(most) ? " and below " + to_string(Attr(most)) : "") + ", this is " +
                to_string(Attr(*value)));
  return {};
}

void read_checkpoint(const Env& env, const Node& node, TrainDecl& train) {
  Keys keys(env, node, "checkpoint", "checkpoint: {every: 100, keep: 3}");
  if (const Node* every = keys.take("every"))
    train.checkpoint_every = read_integer(env, *every, "every", 1).value_or(0);
  if (const Node* keep = keys.take("keep"))
    train.checkpoint_keep = read_integer(env, *keep, "keep", 1, 1'000'000).value_or(3);
  keys.finish();
}

void read_eval(const Env& env, const Node& node, TrainDecl& train) {
  Keys keys(env, node, "eval", "eval: {every: 1}");
  if (const Node* every = keys.take("every"))
    train.eval_every = read_integer(env, *every, "every", 1).value_or(1);
  keys.finish();
}

void read_clip(const Env& env, const Node& node, TrainDecl& train) {
  if (!node.is_map()) {
    env.error("E0032", node.place, "clip names what it bounds, this is " + kind_of(node))
        .help("clip: {norm: 1.0}");
    return;
  }
  Keys keys(env, node, "clip", "clip: {norm: 1.0}");
  if (const Node* norm = keys.require("norm"))
    train.clip_norm = read_between(env, *norm, "norm", 0, INFINITY);
  keys.finish();
}

/// What an evaluation measures: the metrics, and the sum of the losses.
std::vector<std::string> measured(const Model& model) {
  std::vector<std::string> names;
  for (const TermDecl& metric : model.metrics) names.push_back(metric.name);
  names.emplace_back("loss");
  return names;
}

bool is_known(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

void read_keep_best(const Env& env, const Node& node, Model& model) {
  Keys keys(env, node, "keep_best", "keep_best: {metric: accuracy}");
  if (!keys.is_map()) return;
  Goodness best;
  best.mark = env.mark(node.place);
  const Node *metric = keys.require("metric"), *mode = keys.take("mode");
  if (metric) best.metric = read_text_value(env, *metric, "metric").value_or("loss");
  best.larger = best.metric != "loss";
  auto names = measured(model);
  if (metric && !env.reading.errors && !is_known(names, best.metric))
    env.error("E0083", metric->place,
              "keep_best: no metric is called '" + best.metric + "'" +
                  did_you_mean(best.metric, names))
        .help("metrics are declared in `metrics: {" + best.metric +
              ": {type: ..., from: ...}}`; "
              "`loss` is there, too");
  if (mode)
    if (auto text = read_text_value(env, *mode, "mode")) {
      best.larger = *text == "max";
      if (*text != "max" && *text != "min")
        env.error("E0032", mode->place, "mode is max or min, this is " + *text);
    }
  keys.finish();
  model.train.keep_best = std::move(best);
}

void read_stop_after(const Env& env, const Node& node, TrainDecl& train) {
  Keys keys(env, node, "stop_after", "stop_after: {evals_without_gain: 5}");
  if (const Node* count = keys.require("evals_without_gain"))
    train.stop_after = read_integer(env, *count, "evals_without_gain", 1).value_or(0);
  keys.finish();
}

void read_length(const Env& env, Keys& train, TrainDecl& decl) {
  const Node *steps = train.take("steps"), *epochs = train.take("epochs");
  if (steps) decl.steps = read_integer(env, *steps, "steps", 0);
  if (epochs) decl.epochs = read_integer(env, *epochs, "epochs", 0);
  if (steps && epochs)
    env.error("E0066", epochs->place, "training ends after steps or after epochs, not both")
        .note(env.mark(steps->place), "steps")
        .help("remove one of the two");
  if (const Node* minutes = train.take("minutes"))
    decl.minutes = read_between(env, *minutes, "minutes", 0, INFINITY);
}

}  // namespace

void read_train(const Env& env, Keys& keys, Model& model) {
  const Node* node = keys.take("train");
  if (!node) return;
  Keys train(env, *node, "train", "train: {epochs: 10}");
  TrainDecl& decl = model.train;
  decl.mark = env.mark(node->place);
  for (const char* key : {"batch_size", "batch"})
    if (const Member* bare = train.take_odd(key)) refuse_batch_size(env, *bare);
  read_length(env, train, decl);
  if (const Node* clip = train.take("clip")) read_clip(env, *clip, decl);
  if (const Node* ema = train.take("ema")) decl.ema = read_between(env, *ema, "ema", 0, 1);
  if (const Node* eval = train.take("eval")) read_eval(env, *eval, decl);
  const Node *best = train.take("keep_best"), *stop = train.take("stop_after");
  if (best) read_keep_best(env, *best, model);
  if (stop) read_stop_after(env, *stop, decl);
  if ((best || stop) && !model.test_data)
    env.error("E0083", (best ? best : stop)->place,
              std::string(best ? "keep_best" : "stop_after") +
                  " goes by evaluations, and there is no data for them")
        .help("add data: {test: ...}");
  if (const Node* checkpoint = train.take("checkpoint")) read_checkpoint(env, *checkpoint, decl);
  train.finish();
}

void read_weights(const Env& env, Keys& keys, Model& model) {
  const Node* node = keys.take("weights");
  if (!node) return;
  Keys weights(env, *node, "weights", "weights: {path: w.safetensors}");
  if (!weights.is_map()) return;
  WeightsDecl decl;
  decl.mark = env.mark(node->place);
  if (const Node* path = weights.require("path", "path: weights.safetensors"))
    decl.path = read_text_value(env, *path, "path").value_or("");
  if (const Node* rename = weights.take("rename")) {
    if (!rename->is_map())
      env.error("E0032", rename->place,
                "rename is a mapping from how keys begin to what stands there instead, this is " +
                    kind_of(*rename))
          .help("rename: {'module.': ''}");
    for (const Member& member : rename->members)
      if (auto to = read_text_value(env, member.value, "a new beginning"))
        decl.rename.emplace_back(member.key, std::move(*to));
  }
  auto patterns = [&](const char* key, std::vector<std::string>& list) {
    if (const Node* of = weights.take(key))
      list = read_texts(env, *of, key).value_or(std::vector<std::string>{});
  };
  patterns("missing", decl.missing);
  patterns("extra", decl.extra);
  patterns("misshapen", decl.misshapen);
  weights.finish();
  model.weights = std::move(decl);
}

namespace {

std::optional<DType> read_compute(const Env& env, const Node& node) {
  auto text = read_text_value(env, node, "a precision");
  if (!text) return {};
  auto dtype = parse_dtype(*text);
  if (dtype == DType::f32 || dtype == DType::bf16 || dtype == DType::f16) return dtype;
  env.error("E0032", node.place, "a precision is f32, bf16 or f16, this is " + *text)
      .help("precision: f32, {compute: bf16}, or {compute: f16, loss_scale: auto}");
  return {};
}

void read_loss_scale(const Env& env, const Node& node, Precision& precision) {
  auto value = evaluate(env, node);
  if (!value) return;
  if (*value == Attr("auto"))
    precision.loss_scale = 0;
  else if (value->is_number() && value->as_double() > 0)
    precision.loss_scale = value->as_double();
  else
    env.error("E0032", node.place,
              "loss_scale is auto or a number above 0, this is " + described(*value));
  if (precision.compute != DType::f16)
    env.error("E0032", node.place,
              "loss_scale belongs to f16: " + std::string(to_string(precision.compute)) +
                  " has the range of f32");
}

}  // namespace

void read_precision(const Env& env, Keys& keys, Model& model) {
  const Node* node = keys.take("precision");
  if (!node) return;
  Precision& precision = model.precision;
  precision.mark = env.mark(node->place);
  if (!node->is_map()) {
    precision.compute = read_compute(env, *node).value_or(DType::f32);
    return;
  }
  Keys map(env, *node, "precision");
  const Node* compute = map.require("compute");
  if (compute) precision.compute = read_compute(env, *compute).value_or(DType::f32);
  if (const Node* scale = map.take("loss_scale"))
    read_loss_scale(env, *scale, precision);
  else if (precision.compute == DType::f16)
    precision.loss_scale = 0;
  map.finish();
}

}  // namespace braid::dsl
