#include <braid/core/error.h>

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

namespace {

/// What is said, but for the layer that it is said of: a line in a block is many layers.
std::string_view without_layer(std::string_view message) {
  constexpr std::string_view who = "layer '";
  size_t end = message.starts_with(who) ? message.find('\'', who.size()) : message.npos;
  return end == message.npos ? message : message.substr(end);
}

}  // namespace

bool Diagnostics::is_new(const Diagnostic& d) {
  if (!d.mark) return true;
  std::string key = char('0' + int(d.severity)) + d.code + '\n' + d.mark.source->name + '\n' +
                    std::to_string(d.mark.line) + ':' + std::to_string(d.mark.column) + '\n';
  return said_.insert(key.append(without_layer(d.message))).second;
}

/// Null when it is not kept: said before, or one of too many.
Diagnostic* Diagnostics::keep(Diagnostic d) {
  bool error = d.severity == Severity::error;
  errors_ += error;
  if (!is_new(d) || (error && ++distinct_ > limit_)) return nullptr;
  return &found_.emplace_back(std::move(d));
}

Diagnostic& Diagnostics::say(Severity severity, std::string code, Mark mark, std::string message) {
  Diagnostic* kept = keep({std::move(code), severity, std::move(mark), std::move(message), {}, {}});
  return kept ? *kept : dropped_ = {};
}

Diagnostic& Diagnostics::error(std::string code, Mark mark, std::string message) {
  return say(Severity::error, std::move(code), std::move(mark), std::move(message));
}

Diagnostic& Diagnostics::warning(std::string code, Mark mark, std::string message) {
  return say(Severity::warning, std::move(code), std::move(mark), std::move(message));
}

void Diagnostics::add(const Error& e) {
  for (const Diagnostic& d : e.diagnostics()) keep(d);
}

void Diagnostics::raise(Fault fault) const {
  if (!has_errors()) return;
  std::vector<Diagnostic> errors;
  for (const Diagnostic& d : found_)
    if (d.severity == Severity::error) errors.push_back(d);
  if (distinct_ > limit_)
    errors.push_back({"E0100",
                      Severity::error,
                      {},
                      std::to_string(distinct_ - limit_) + " more errors are not shown",
                      {},
                      {}});
  throw Error(fault, std::move(errors));
}

}  // namespace braid
