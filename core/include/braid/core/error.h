// Errors that name the culprit. A Diagnostic is one message with its place, code, both sides of a
// conflict and, wherever it can be computed, the fix. An Error is what is thrown: whose fault it
// is, and one or more Diagnostics. The library never prints and never aborts.
//
//   Diagnostics found;
//   found.error("E0203", mark, "layer 'cat': Concat inputs disagree outside dim 1")
//       .note(a, "input 0  'down'  [N, 64, 128, 128]")
//       .help("use Conv2d stride 2 on 'stem'");
//   found.raise();   // throws Error(Fault::model) when there is an error
#pragma once
#include <exception>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <braid/core/mark.h>

namespace braid {

/// Whose fault it is; the value is the exit code of the `braid` command.
enum class Fault {
  usage = 2,   ///< the command line
  model = 3,   ///< the model file, or a Model built in C++
  data = 4,    ///< data or weights
  run = 5,     ///< a step: a kernel or a user callback
  device = 6,  ///< a device that is absent, or a collective
  output = 7,  ///< writing
  bug = 70,    ///< ours
};

enum class Severity { error, warning };

struct Note {
  Mark mark;  ///< may be empty
  std::string text;
};

struct Diagnostic {
  std::string code;  ///< stable, e.g. "E0203"; "W..." for warnings
  Severity severity = Severity::error;
  Mark mark;
  std::string message;
  std::vector<Note> notes;
  std::string helps;  ///< "" = no fix known; several lines allowed

  Diagnostic& note(Mark at, std::string text);
  Diagnostic& help(std::string text);
};

/// `file:line:column: error[CODE]: message`, the line with a caret, the chain, notes and help.
/// Plain text, no colours; ends with a line end.
std::string render(const Diagnostic& diagnostic);

/// A JSON object of the same content, on one line.
std::string to_json(const Diagnostic& diagnostic);

class Error : public std::exception {
 public:
  Error(Fault fault, std::vector<Diagnostic> diagnostics);
  Error(Fault fault, std::string code, std::string message, Mark mark = {});

  Fault fault() const { return fault_; }
  std::span<const Diagnostic> diagnostics() const { return diagnostics_; }
  Diagnostic& first() { return diagnostics_.front(); }
  /// All diagnostics, rendered.
  const char* what() const noexcept override { return text_.c_str(); }

  Error&& note(Mark at, std::string text) &&;
  Error&& help(std::string text) &&;

 private:
  void render_all();
  Fault fault_;
  std::vector<Diagnostic> diagnostics_;
  std::string text_;
};

/// A fault of ours: an assumption of the code does not hold.
[[noreturn]] void bug(std::string message);
inline void ensure(bool holds, const char* message) {
  if (!holds) bug(message);
}

/// Collects the diagnostics of one run. The same message at the same place is kept once, however
/// many layers a line of a block becomes; at most `limit` errors are kept (the rest are counted).
class Diagnostics {
 public:
  explicit Diagnostics(size_t limit = 20) : limit_(limit) {}
  Diagnostic& error(std::string code, Mark mark, std::string message);
  Diagnostic& warning(std::string code, Mark mark, std::string message);
  void add(const Error& e);
  bool has_errors() const { return errors_ > 0; }
  /// All that were reported, kept or not.
  size_t errors() const { return errors_; }
  std::span<const Diagnostic> all() const { return found_; }
  /// Throws Error(fault) with all errors (warnings left out) when there are any.
  void raise(Fault fault = Fault::model) const;

 private:
  Diagnostic& say(Severity severity, std::string code, Mark mark, std::string message);
  Diagnostic* keep(Diagnostic d);
  bool is_new(const Diagnostic& d);

  std::vector<Diagnostic> found_;
  std::set<std::string> said_;
  Diagnostic dropped_;
  size_t limit_, errors_ = 0, distinct_ = 0;
};

/// The candidate nearest to `typed` by edit distance (case-insensitive), or "" when none is near.
std::string nearest(std::string_view typed, std::span<const std::string> candidates);
/// What another framework's `typed` is called among the candidates (`filters` is out_channels), or
/// "".
std::string translated(std::string_view typed, std::span<const std::string> candidates);
/// The candidate that was meant: translated, else the nearest, else "".
std::string meant(std::string_view typed, std::span<const std::string> candidates);
/// What to write instead of another framework's key that has no counterpart of one word, or "".
std::string_view advice_on(std::string_view typed);
/// " (did you mean 'x'?)", " (here it is called 'x')" or "".
std::string did_you_mean(std::string_view typed, std::span<const std::string> candidates);
/// "a, b, c"
std::string listed(std::span<const std::string> names);

}  // namespace braid
