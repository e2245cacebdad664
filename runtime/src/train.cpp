#include <braid/runtime/train.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <optional>

#include <braid/compiler/sizes.h>
#include <braid/runtime/files.h>
#include <braid/runtime/schedule.h>

#include "float_mode.h"

namespace braid {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point t) {
  return std::chrono::duration<double>(Clock::now() - t).count();
}

// Turns the checks on for as long as the run takes.
class FiniteChecks {
 public:
  FiniteChecks(Session& session, bool on)
      : session_(session), before_(session.options().check_finite) {
    session_.check_finite(on || before_);
  }
  ~FiniteChecks() { session_.check_finite(before_); }
  FiniteChecks(const FiniteChecks&) = delete;
  FiniteChecks& operator=(const FiniteChecks&) = delete;

 private:
  Session& session_;
  bool before_;
};

class Training {
 public:
  Training(Session& session, const TrainOptions& options)
      : session_(session),
        checks_(session, options.check_finite),
        options_(options),
        model_(session.model()) {}

  TrainReport run() {
    prepare();
    resume();
    emit({.kind = TrainEvent::Kind::start, .step = session_.steps_done(), .steps = total_});
    begin_ = Clock::now();
    loop();
    finish();
    return std::move(report_);
  }

 private:
  void prepare() {
    if (!model_.train_data)
      throw Error(Fault::model, "E0221", "training needs `data: {train: ...}`", model_.mark);
    if (model_.losses.empty() || (!model_.optimizer && model_.phases.empty()))
      throw Error(Fault::model, "E0216", "training needs a `loss` and an `optimizer`", model_.mark);
    if (!options_.out.empty()) {
      make_writable(options_.out);
      lock_.emplace(options_.out);
    }
    known_sizes(model_);  // of free dimensions
    auto open = [&](const TypedDict& d) {
      return DataSource::open(d, model_.inputs, model_.folder, model_.seed);
    };
    train_.emplace(open(*model_.train_data));
    if (model_.test_data) test_.emplace(open(*model_.test_data));
    batches_.emplace(BatchOptions{.samples = train_->size(),
                                  .batch = model_.batch.global,
                                  .shuffle = train_->shuffle(),
                                  .drop_last = model_.batch.drop_last,
                                  .augment = true,
                                  .seed = model_.seed});
    auto& train = model_.train;
    if (options_.steps)
      total_ = *options_.steps;
    else if (train.steps)
      total_ = *train.steps;
    else
      total_ = train.epochs.value_or(1) * batches_->steps_per_epoch();
    if (model_.phases.empty()) take_optimizer(*model_.optimizer, model_.schedule);
    for (auto& phase : model_.phases) take_optimizer(*phase.optimizer, phase.schedule);
    for (auto& key : session_.training_programs(model_.batch.global))
      session_.plan(key);  // faults of the model come before the data
  }

  void take_optimizer(const TypedDict& optimizer, const std::optional<TypedDict>& schedule) {
    schedules_.push_back(schedule ? Schedule::make(*schedule, total_) : Schedule());
    base_lr_.push_back(get_double(optimizer.params, "lr", 0));
  }

  std::vector<double> rates(int64_t step) const {
    std::vector<double> rates;
    for (size_t i = 0; i < base_lr_.size(); ++i)
      rates.push_back(schedules_[i].lr(base_lr_[i], step));
    return rates;
  }

  void resume() {
    if (!options_.resume) {
      set_aside();
      if (model_.weights) session_.load_weights(weights_path());
      return;
    }
    auto& from = options_.resume_from.empty() ? options_.out : options_.resume_from;
    auto found = load_checkpoint(from);
    if (!found) {
      note("nothing to resume in " + from + ": starting fresh");
      if (model_.weights) session_.load_weights(weights_path());
      return;
    }
    if (!found->warning.empty()) note(found->warning);
    auto differs = session_.restore(found->checkpoint, options_.exact);
    if (!differs.empty()) note("the network or its settings have changed since: " + differs);
    note("resumed at step " + std::to_string(session_.steps_done()) + " from " + found->path);
    saved_at_ = session_.steps_done();
  }

  // A run that starts anew in a folder that holds another loses nothing of that.
  void set_aside() {
    auto old = options_.out.empty() ? std::vector<std::string>{} : list_checkpoints(options_.out);
    if (old.empty()) return;
    note(options_.out + " holds a run up to " + std::filesystem::path(old.back()).stem().string() +
         ": starting anew; what is not overwritten is kept as *.superseded (--resume goes on)");
    auto weights = std::filesystem::path(options_.out) / "weights.safetensors";
    std::error_code none;  // there may be no weights yet
    std::filesystem::rename(weights, weights.string() + ".superseded", none);
  }

  std::string weights_path() const {
    auto& path = model_.weights->path;
    return path.starts_with('/') || model_.folder.empty() ? path : model_.folder + "/" + path;
  }

  static std::vector<const void*> pointers(const Batch& batch) {
    std::vector<const void*> inputs;
    for (auto& input : batch.inputs) inputs.push_back(input.empty() ? nullptr : input.data());
    return inputs;
  }

  void loop() {
    int64_t per_epoch = batches_->steps_per_epoch(), first = session_.steps_done();
    Prefetcher prefetcher(*train_, *batches_, first, total_);
    while (const Batch* batch = first < total_ ? prefetcher.next() : nullptr) {
      auto t = Clock::now();
      const auto rates = this->rates(batch->step);
      auto n = int64_t(batch->samples.size());
      const Batch* ahead = prefetcher.peek();
      const bool alike = ahead && ahead->samples.size() == batch->samples.size();
      auto result = model_.phases.empty()
                        ? session_.step(pointers(*batch), n, rates[0],
                                        alike ? pointers(*ahead) : std::vector<const void*>{})
                        : session_.step(pointers(*batch), n, rates);
      step_seconds_ += seconds_since(t);
      samples_ += n;
      report_.loss = result.loss;
      ++report_.steps_run;
      int64_t done = session_.steps_done();
      emit({.kind = TrainEvent::Kind::step,
            .step = done,
            .steps = total_,
            .epoch = (done - 1) / per_epoch + 1,
            .samples = n,
            .loss = result.loss,
            .lr = rates[0],
            .metrics = result.metrics});
      warn_if_not_finite(result.loss, done);
      if (options_.check_finite && !std::isfinite(result.loss))
        throw Error(Fault::run, "E0404", "the loss is not finite at step " + std::to_string(done));
      bool stop = options_.stop && options_.stop();
      int64_t every = model_.train.checkpoint_every;
      if (every > 0 && done % every == 0) save_checkpoint_now();
      if (stop) {
        report_.stopped = done < total_;
        if (report_.stopped) return;
      }
      if (done % per_epoch == 0 &&
          done / per_epoch % std::max<int64_t>(1, model_.train.eval_every) == 0)
        evaluate(done);
    }
  }

  void warn_if_not_finite(double loss, int64_t step) {
    if (std::isfinite(loss) || warned_) return;
    warned_ = true;
    note("the loss is not finite since step " + std::to_string(step) +
         ": a lower learning rate may help; --check-finite names the value it comes from");
  }

  void evaluate(int64_t done) {
    if (!test_ || evaluated_at_ == done) return;
    evaluated_at_ = done;
    auto result = session_.evaluate(*test_);
    report_.metrics = result.metrics;
    report_.metrics["loss"] = result.loss;
    emit({.kind = TrainEvent::Kind::eval,
          .step = done,
          .steps = total_,
          .epoch = (done - 1) / batches_->steps_per_epoch() + 1,
          .loss = result.loss,
          .metrics = result.metrics});
  }

  void save_checkpoint_now() {
    if (options_.out.empty() || saved_at_ == session_.steps_done()) return;
    saved_at_ = session_.steps_done();
    auto path = save_checkpoint(options_.out, session_.checkpoint(), model_.train.checkpoint_keep);
    emit({.kind = TrainEvent::Kind::checkpoint, .step = saved_at_, .steps = total_, .text = path});
  }

  void finish() {
    if (!report_.stopped) evaluate(session_.steps_done());
    save_checkpoint_now();
    report_.steps = session_.steps_done();
    if (!report_.steps_run) report_.loss = std::nan("");
    report_.images_per_second = step_seconds_ > 0 ? double(samples_) / step_seconds_ : 0;
    if (!options_.out.empty()) {
      report_.weights = options_.out + "/weights.safetensors";
      report_.sha256 = session_.save_weights(report_.weights);
    }
    emit({.kind = TrainEvent::Kind::done,
          .step = report_.steps,
          .steps = total_,
          .loss = report_.loss,
          .metrics = report_.metrics,
          .text = report_.weights});
  }

  void note(std::string text) {
    emit({.kind = TrainEvent::Kind::note, .step = session_.steps_done(), .text = std::move(text)});
  }

  void emit(TrainEvent event) {
    if (!options_.on_event) return;
    event.seconds = seconds_since(begin_);
    event.images_per_second = step_seconds_ > 0 ? double(samples_) / step_seconds_ : 0;
    options_.on_event(event);
  }

  Session& session_;
  FiniteChecks checks_;
  const TrainOptions& options_;
  const Model& model_;
  std::optional<FolderLock> lock_;
  std::optional<DataSource> train_, test_;
  std::optional<BatchPlan> batches_;
  std::vector<Schedule> schedules_;  // one for each optimizer
  std::vector<double> base_lr_;
  int64_t total_ = 0, samples_ = 0, saved_at_ = -1, evaluated_at_ = -1;
  double step_seconds_ = 0;
  bool warned_ = false;
  Clock::time_point begin_ = Clock::now();
  TrainReport report_;
};

}  // namespace

TrainReport train(Session& session, const TrainOptions& options) {
  DefaultFloatMode float_mode;  // the prefetching thread inherits it
  return Training(session, options).run();
}

}  // namespace braid
