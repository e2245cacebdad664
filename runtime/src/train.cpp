#include <braid/runtime/train.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <optional>

#include <braid/compiler/sizes.h>
#include <braid/core/attr.h>
#include <braid/runtime/files.h>
#include <braid/runtime/schedule.h>

#include "float_mode.h"
#include "gains.h"

namespace braid {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t endless = INT64_MAX;  // steps of a run that time ends
constexpr const char* best_name = "best.safetensors";

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

// The weights are their moving averages for as long as it lives, where there are any.
class Averages {
 public:
  explicit Averages(Session& session) : session_(session), on_(session.steps_done() > 0) {
    if (on_) session_.exchange_averages();
  }
  ~Averages() {
    if (on_) session_.exchange_averages();
  }
  Averages(const Averages&) = delete;
  Averages& operator=(const Averages&) = delete;

 private:
  Session& session_;
  bool on_;
};

class Training {
 public:
  Training(Session& session, const TrainOptions& options)
      : session_(session),
        checks_(session, options.check_finite),
        options_(options),
        model_(session.model()),
        decl_(session.model().train) {
    if (options.keep_best) decl_.keep_best = options.keep_best;
  }

  TrainReport run() {
    prepare();
    resume();
    emit({.kind = TrainEvent::Kind::start, .step = session_.steps_done(), .steps = known_total()});
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
    auto& train = decl_;
    std::optional<int64_t> total = options_.steps ? options_.steps : train.steps;
    if (!total && (train.epochs || !(train.minutes || options_.seconds)))
      total = train.epochs.value_or(1) * batches_->steps_per_epoch();
    total_ = total.value_or(endless);
    gains_.emplace(train);
    if (gains_->counted() && !test_)
      throw Error(Fault::model, "E0083",
                  "keep_best and stop_after go by evaluations: training needs `data: {test: ...}`",
                  train.mark);
    if (model_.phases.empty()) take_optimizer(*model_.optimizer, model_.schedule, total);
    for (auto& phase : model_.phases) take_optimizer(*phase.optimizer, phase.schedule, total);
    for (auto& key : session_.training_programs(model_.batch.global))
      session_.plan(key);  // faults of the model come before the data
  }

  void take_optimizer(const TypedDict& optimizer, const std::optional<TypedDict>& schedule,
                      std::optional<int64_t> total) {
    schedules_.push_back(schedule ? Schedule::make(*schedule, total) : Schedule());
    auto& plateau = plateaus_.emplace_back();
    if (auto& rule = schedules_.back().plateau()) plateau.emplace(*rule);
    if (plateau && !test_)
      throw Error(Fault::model, "E0083",
                  "schedule 'plateau' goes by evaluations: training needs `data: {test: ...}`",
                  schedule->type_mark);
    base_lr_.push_back(get_double(optimizer.params, "lr", 0));
  }

  std::vector<double> rates(int64_t step) const {
    std::vector<double> rates;
    for (size_t i = 0; i < base_lr_.size(); ++i)
      rates.push_back(
          schedules_[i].lr(base_lr_[i], step, plateaus_[i] ? plateaus_[i]->falls() : 0));
    return rates;
  }

  static std::string plateau_name(size_t i) { return "plateau." + std::to_string(i); }

  // Of evaluations in the middle of an epoch, where a command ends, a longer run knows nothing.
  void see_plateaus(int64_t done, double loss) {
    for (size_t i = 0; i < plateaus_.size(); ++i)
      if (plateaus_[i] && is_due(done) && plateaus_[i]->see(done, loss))
        note("the test loss stands still: the learning rate falls to " +
             shortest(schedules_[i].lr(base_lr_[i], done, plateaus_[i]->falls())));
  }

  /// Whether somebody waits for the evaluation after so many steps.
  bool is_missed(int64_t done) const {
    bool missed = gains_->counted() && gains_->evaluated_at() != done;
    for (auto& plateau : plateaus_) missed |= plateau && plateau->seen_at() != done;
    return missed && is_due(done);
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
    gains_->restore(found->checkpoint.metadata);
    for (size_t i = 0; i < plateaus_.size(); ++i)
      if (plateaus_[i]) plateaus_[i]->restore(plateau_name(i), found->checkpoint.metadata);
    bring_best(from);
  }

  // The best weights so far go with a run that is taken up into another folder.
  void bring_best(const std::string& from) const {
    if (options_.out.empty() || from == options_.out) return;
    std::error_code none;  // there may be none yet
    std::filesystem::copy_file(std::filesystem::path(from) / best_name,
                               std::filesystem::path(options_.out) / best_name,
                               std::filesystem::copy_options::overwrite_existing, none);
  }

  // A run that starts anew in a folder that holds another loses nothing of that.
  void set_aside() {
    auto old = options_.out.empty() ? std::vector<std::string>{} : list_checkpoints(options_.out);
    if (old.empty()) return;
    note(options_.out + " holds a run up to " + std::filesystem::path(old.back()).stem().string() +
         ": starting anew; what is not overwritten is kept as *.superseded (--resume goes on)");
    for (const char* name : {"weights.safetensors", best_name}) {
      auto weights = std::filesystem::path(options_.out) / name;
      std::error_code none;  // there may be none yet
      std::filesystem::rename(weights, weights.string() + ".superseded", none);
    }
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
    // A run that was cut between a step and its evaluation makes up for it.
    if (is_missed(first)) evaluate(first);
    if (lost_patience()) return;
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
            .steps = known_total(),
            .epoch = (done - 1) / per_epoch + 1,
            .samples = n,
            .loss = result.loss,
            .lr = rates[0],
            .metrics = result.metrics});
      warn_if_not_finite(result.loss, done);
      if (options_.check_finite && !std::isfinite(result.loss))
        throw Error(Fault::run, "E0404", "the loss is not finite at step " + std::to_string(done));
      bool stop = options_.stop_token.stop_requested() || (options_.stop && options_.stop());
      int64_t every = decl_.checkpoint_every;
      if (every > 0 && done % every == 0) save_checkpoint_now();
      if (stop) {
        report_.stopped = done < total_;
        if (report_.stopped) return;
      }
      if (is_due(done)) evaluate(done);
      if (lost_patience() || out_of_time(done)) return;
    }
  }

  // The evaluation after so many steps.
  bool is_due(int64_t done) const {
    int64_t per_epoch = batches_->steps_per_epoch();
    return done > 0 && done % per_epoch == 0 &&
           done / per_epoch % std::max<int64_t>(1, decl_.eval_every) == 0;
  }

  bool lost_patience() {
    const int64_t limit = decl_.stop_after;
    if (limit == 0 || gains_->without() < limit) return false;
    note("no gain in " + std::to_string(limit) + " evaluations: training ends");
    return true;
  }

  bool out_of_time(int64_t done) {
    auto& minutes = decl_.minutes;
    const double passed = seconds_since(begin_);
    if (options_.seconds && passed >= *options_.seconds) {
      if (done < total_) note(shortest(*options_.seconds) + " seconds are over: training ends");
      return true;
    }
    if (!minutes || options_.steps || passed < 60 * *minutes) return false;
    if (done < total_) note(shortest(*minutes) + " minutes are over: training ends");
    return true;
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
    const Averages averages(session_);
    auto result = session_.evaluate(*test_);
    report_.metrics = result.metrics;
    report_.metrics["loss"] = result.loss;
    const bool best =
        gains_->counted() && gains_->evaluated_at() != done && gains_->see(done, report_.metrics);
    if (best && decl_.keep_best && !options_.out.empty())
      session_.save_weights(options_.out + "/" + best_name);
    if (best && options_.take_best) best_weights_ = session_.weights();
    emit({.kind = TrainEvent::Kind::eval,
          .step = done,
          .steps = known_total(),
          .epoch = (done - 1) / batches_->steps_per_epoch() + 1,
          .loss = result.loss,
          .metrics = result.metrics,
          .best = best});
    see_plateaus(done, result.loss);
  }

  void save_checkpoint_now() {
    if (options_.out.empty() || saved_at_ == session_.steps_done()) return;
    saved_at_ = session_.steps_done();
    auto checkpoint = session_.checkpoint();
    gains_->store(checkpoint.metadata);
    for (size_t i = 0; i < plateaus_.size(); ++i)
      if (plateaus_[i]) plateaus_[i]->store(plateau_name(i), checkpoint.metadata);
    auto path = save_checkpoint(options_.out, std::move(checkpoint), decl_.checkpoint_keep);
    emit({.kind = TrainEvent::Kind::checkpoint,
          .step = saved_at_,
          .steps = known_total(),
          .text = path});
  }

  void finish() {
    if (!report_.stopped) evaluate(session_.steps_done());
    save_checkpoint_now();
    report_.steps = session_.steps_done();
    if (!report_.steps_run) report_.loss = std::nan("");
    report_.images_per_second = step_seconds_ > 0 ? double(samples_) / step_seconds_ : 0;
    if (!options_.out.empty()) {
      const Averages averages(session_);
      report_.weights = options_.out + "/weights.safetensors";
      report_.sha256 = session_.save_weights(report_.weights);
    }
    if (decl_.keep_best && gains_->best_step() > 0) {
      report_.best_step = gains_->best_step();
      report_.best = gains_->best();
      if (!options_.out.empty()) report_.best_weights = options_.out + "/" + best_name;
    }
    take_best();
    emit({.kind = TrainEvent::Kind::done,
          .step = report_.steps,
          .steps = known_total(),
          .loss = report_.loss,
          .metrics = report_.metrics,
          .text = report_.weights});
  }

  // A run that was taken up again may have seen the best before.
  void take_best() {
    if (!options_.take_best || report_.best_step == 0) return;
    if (!best_weights_.empty())
      session_.set_weights(best_weights_);
    else if (!report_.best_weights.empty())
      session_.set_weights(read_safetensors(report_.best_weights).tensors, report_.best_weights);
  }

  int64_t known_total() const { return total_ == endless ? 0 : total_; }

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
  TrainDecl decl_;
  std::map<std::string, Array> best_weights_;
  std::optional<FolderLock> lock_;
  std::optional<DataSource> train_, test_;
  std::optional<BatchPlan> batches_;
  std::optional<Gains> gains_;
  std::vector<Schedule> schedules_;               // one for each optimizer
  std::vector<std::optional<Plateau>> plateaus_;  // of those that go by evaluations
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
