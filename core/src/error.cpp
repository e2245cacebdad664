#include <braid/core/error.h>

#include <algorithm>
#include <cctype>

namespace braid {

Diagnostic& Diagnostic::note(Mark at, std::string text) {
  notes.push_back({std::move(at), std::move(text)});
  return *this;
}

Diagnostic& Diagnostic::help(std::string text) {
  helps += (helps.empty() ? "" : "\n") + text;
  return *this;
}

Error::Error(Fault fault, std::vector<Diagnostic> diagnostics)
    : fault_(fault), diagnostics_(std::move(diagnostics)) {
  if (diagnostics_.empty())
    diagnostics_.push_back({"E7000", Severity::error, {}, "an error without a message", {}, {}});
  render_all();
}

Error::Error(Fault fault, std::string code, std::string message, Mark mark)
    : Error(fault,
            std::vector<Diagnostic>{
                {std::move(code), Severity::error, std::move(mark), std::move(message), {}, {}}}) {}

Error&& Error::note(Mark at, std::string text) && {
  first().note(std::move(at), std::move(text));
  render_all();
  return std::move(*this);
}

Error&& Error::help(std::string text) && {
  first().help(std::move(text));
  render_all();
  return std::move(*this);
}

void Error::render_all() {
  text_.clear();
  for (const Diagnostic& diagnostic : diagnostics_) text_ += render(diagnostic);
}

void bug(std::string message) {
  throw Error(Fault::bug, "E7000", "internal error: " + std::move(message));
}

Diagnostic& Diagnostics::error(std::string code, Mark mark, std::string message) {
  Diagnostic fresh{std::move(code), Severity::error, std::move(mark), std::move(message), {}, {}};
  if (++errors_ > limit_) return overflow_ = std::move(fresh);
  return found_.emplace_back(std::move(fresh));
}

Diagnostic& Diagnostics::warning(std::string code, Mark mark, std::string message) {
  return found_.emplace_back(
      Diagnostic{std::move(code), Severity::warning, std::move(mark), std::move(message), {}, {}});
}

void Diagnostics::add(const Error& e) {
  for (const Diagnostic& d : e.diagnostics()) {
    if (d.severity == Severity::error && ++errors_ > limit_) continue;
    found_.push_back(d);
  }
}

void Diagnostics::raise(Fault fault) const {
  if (!has_errors()) return;
  std::vector<Diagnostic> errors;
  for (const Diagnostic& d : found_)
    if (d.severity == Severity::error) errors.push_back(d);
  if (errors_ > limit_)
    errors.push_back({"E0100",
                      Severity::error,
                      {},
                      std::to_string(errors_ - limit_) + " more errors are not shown",
                      {},
                      {}});
  throw Error(fault, std::move(errors));
}

namespace {

char lower(char c) { return char(std::tolower(static_cast<unsigned char>(c))); }

/// Damerau and Levenshtein's distance (adjacent swaps count once), upper and lower case alike.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1), above(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) above[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      bool same = lower(a[i - 1]) == lower(b[j - 1]);
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (same ? 0 : 1)});
      bool swapped = i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
                     lower(a[i - 2]) == lower(b[j - 1]);
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(above);
    above.swap(row);
  }
  return above[b.size()];
}

}  // namespace

std::string nearest(std::string_view typed, std::span<const std::string> candidates) {
  constexpr size_t longest = 200;  // nobody mistypes a longer name; keeps hostile input cheap
  if (typed.empty() || typed.size() > longest) return {};
  std::string_view best;
  size_t best_distance = longest;
  for (const std::string& candidate : candidates) {
    if (candidate.empty() || candidate.size() > longest) continue;
    size_t allowed = std::max<size_t>(1, std::max(typed.size(), candidate.size()) / 3);
    if (typed.size() <= 2 && candidate.size() <= 2) allowed = 0;  // `a` is not near `b`
    size_t d = distance(typed, candidate);
    if (d > allowed || d >= best_distance) continue;
    best = candidate;
    best_distance = d;
  }
  return std::string(best);
}

std::string did_you_mean(std::string_view typed, std::span<const std::string> candidates) {
  std::string near = nearest(typed, candidates);
  return near.empty() ? near : " (did you mean '" + near + "'?)";
}

}  // namespace braid
