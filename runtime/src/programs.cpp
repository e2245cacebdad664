#include "programs.h"

#include <algorithm>

#include "float_mode.h"

namespace braid {
namespace {

constexpr size_t cached_programs = 12;

std::string text_of(const ProgramKey& wish) {
  std::string key = (wish.mode == Mode::train ? "train " : "eval ") + std::to_string(wish.batch) +
                    " " + std::to_string(int(wish.goal)) + (wish.write_state ? "w" : "r");
  if (wish.phase >= 0) key += " phase " + std::to_string(wish.phase);
  for (int ran : wish.ran) key += " behind " + std::to_string(ran);
  for (int64_t size : wish.sizes) key += " x" + std::to_string(size);
  for (auto& name : wish.wanted) key += "\n" + name;
  return key;
}

}  // namespace

Programs::Programs(const Placements& placements, int lanes, Compile compile, Bind bind)
    : compile_(std::move(compile)), bind_(std::move(bind)), taken_(size_t(lanes)) {
  for (int i = 0; i < lanes; ++i) memories_.push_back(std::make_unique<Memory>(placements));
}

std::shared_ptr<Program> Programs::cached(const std::string& key) {
  std::lock_guard lock(mutex_);
  auto found = std::ranges::find(programs_, key, [](auto& program) { return program->key; });
  if (found == programs_.end()) return nullptr;
  programs_.splice(programs_.begin(), programs_, found);
  return programs_.front();
}

std::shared_ptr<Program> Programs::find(ProgramKey wish) {
  if (wish.mode == Mode::eval) {  // the same program by several names
    wish.write_state = true;
    if (wish.goal == Goal::step && !wish.wanted.empty()) wish.goal = Goal::forward;
  }
  const std::string key = text_of(wish);
  if (auto known = cached(key)) return known;
  std::lock_guard making(making_);  // those who have their program do not wait for it
  if (auto known = cached(key)) return known;
  DefaultFloatMode float_mode;
  auto made = std::make_shared<Program>(Program{.key = key, .plan = compile_(wish)});
  made->executors.resize(memories_.size());
  std::lock_guard lock(mutex_);
  programs_.push_front(made);
  if (programs_.size() > cached_programs && memories_[0]->broken().empty()) programs_.pop_back();
  return made;
}

Executor& Programs::executor(Program& program, int lane) {
  auto& executor = program.executors[size_t(lane)];
  if (executor) return *executor;
  DefaultFloatMode float_mode;
  const Mode mode = program.key.starts_with("train") ? Mode::train : Mode::eval;
  executor = bind_(program.plan, mode, *memories_[size_t(lane)]);
  return *executor;
}

int Programs::take_lane(const Program& program) {
  std::unique_lock lock(mutex_);
  int best = -1;
  freed_.wait(lock, [&] {
    for (int i = int(taken_.size()) - 1; i >= 0; --i)
      if (!taken_[size_t(i)])
        if (best < 0 || program.executors[size_t(i)] || !program.executors[size_t(best)]) best = i;
    return best >= 0;
  });
  taken_[size_t(best)] = true;
  return best;
}

void Programs::give_back(int lane) {
  std::lock_guard lock(mutex_);
  taken_[size_t(lane)] = false;
  freed_.notify_one();
}

bool Programs::gave_up() {
  std::lock_guard lock(mutex_);
  for (auto& program : programs_)
    for (auto& executor : program->executors)
      if (executor && executor->gave_up()) return true;
  return false;
}

}  // namespace braid
