#include "progress.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include <sys/ioctl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "output.h"

namespace braid::cli {
namespace {

using Kind = TrainEvent::Kind;

int terminal_width() {
  winsize size = {};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

std::string duration(double seconds) {
  auto s = int64_t(std::llround(seconds));
  if (s < 3600) return fmt::format("{}:{:02}", s / 60, s % 60);
  return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
}

std::string rate(double images_per_second) {
  return images_per_second > 0 ? fmt::format("{:.0f} images/s", images_per_second) : "";
}

// Seconds for the steps that are left, by the pace so far.
std::string left(const TrainEvent& e, double steps_seen) {
  if (steps_seen <= 0 || e.steps <= e.step) return "";
  return "left " + duration(e.seconds / steps_seen * double(e.steps - e.step));
}

// A terminal that is not known to show UTF-8 gets ASCII.
bool shows_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(name);
    if (!value || !*value) continue;
    std::string_view text(value);
    return text.find("UTF-8") != text.npos || text.find("utf8") != text.npos;
  }
  return false;
}

std::string repeated(const char* what, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += what;
  return out;
}

std::string bar(double share, int width, bool color) {
  int full = std::clamp(int(std::lround(share * width)), 0, width);
  const char* mark = shows_utf8() ? "━" : "=";
  auto done = repeated(mark, full);
  if (!color) return "[" + done + repeated(" ", width - full) + "]";
  return "\033[32m" + done + "\033[90m" + repeated(mark, width - full) + "\033[0m";
}

// `5/40`; of a run that time ends, `5`.
std::string step_text(const TrainEvent& e) {
  return std::to_string(e.step) + (e.steps > 0 ? "/" + std::to_string(e.steps) : "");
}

std::string metrics_text(const TrainEvent& e) {
  std::string out = "loss " + short_number(e.loss);
  for (auto& [name, value] : e.metrics)
    if (name != "loss") out += "  " + name + " " + short_number(value);
  return out;
}

}  // namespace

std::string short_number(double value) {
  bool tiny = value != 0 && std::abs(value) < 0.001;
  return tiny ? fmt::format("{:.2e}", value) : fmt::format("{:.4f}", value);
}

Progress::Progress() {
  const char* term = std::getenv("TERM");
  bool dumb = !term || std::string_view(term) == "dumb";
  const char* no_color = std::getenv("NO_COLOR");
  terminal_ = isatty(STDERR_FILENO) && !dumb;
  color_ = terminal_ && !(no_color && *no_color);
}

bool Progress::due(const TrainEvent& e) {
  auto now = Clock::now();
  bool due = !drawn_ || now - last_ >= (terminal_ ? std::chrono::milliseconds(100)
                                                  : std::chrono::milliseconds(1000));
  if (due || e.step == e.steps) last_ = now;
  return due || e.step == e.steps;
}

void Progress::line(const std::string& text) {
  warn((terminal_ && drawn_ ? "\r\033[K" : "") + text + "\n");
  if (terminal_) drawn_ = false;
}

void Progress::step(const TrainEvent& e) {
  ++seen_;
  if (!due(e)) return;
  drawn_ = true;
  auto pace = rate(e.images_per_second), rest = left(e, double(seen_));
  if (terminal_) return draw_bar(e, pace + "  " + rest);
  auto text = fmt::format("epoch {}  step {}  {}", e.epoch, step_text(e), metrics_text(e));
  for (auto& part : {pace, rest})
    if (!part.empty()) text += "  " + part;
  warn(text + "\n");
}

void Progress::draw_bar(const TrainEvent& e, const std::string& pace) {
  auto head = fmt::format("epoch {} ", e.epoch);
  auto tail = fmt::format(" {}  loss {}  {}", step_text(e), short_number(e.loss), pace);
  int room = terminal_width() - int(head.size() + tail.size()) - 3;
  if (room >= 6 && e.steps > 0)
    head += bar(double(e.step) / double(std::max<int64_t>(1, e.steps)), std::min(room, 40), color_);
  else
    tail.resize(size_t(std::clamp(room + 3 + int(tail.size()), 0, int(tail.size()))));
  warn("\r\033[K" + head + tail);
}

void Progress::show(const TrainEvent& e) {
  switch (e.kind) {
    case Kind::step:
      return step(e);
    case Kind::eval:
      return line(fmt::format("epoch {}  step {}  test: {}{}", e.epoch, e.step, metrics_text(e),
                              e.best ? "  (the best so far)" : ""));
    case Kind::note:
      return line("note: " + e.text);
    case Kind::start:
    case Kind::checkpoint:
    case Kind::done:
      break;
  }
}

void Progress::finish() {
  if (terminal_ && drawn_) warn("\n");
  drawn_ = false;
}

}  // namespace braid::cli
