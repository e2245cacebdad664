#include "reading.h"

#include <algorithm>
#include <tuple>

namespace braid::dsl {
namespace {

constexpr size_t most_kept = 1000;  // far more than are shown; the first ones may come last

std::string key_of(const char* code, const Place& at) {
  return code + (':' + std::to_string(at.source)) + ':' + std::to_string(at.line) + ':' +
         std::to_string(at.column);
}

}  // namespace

Diagnostic& Reading::error(const char* code, const Place& at, std::string message, const Via& via) {
  ++errors;
  std::string key = key_of(code, at);
  places_.insert(key);
  if (!reported_.insert(key + message.substr(0, 200)).second || found_.size() >= most_kept)
    return dropped_ = {};
  found_.push_back({at, {code, Severity::error, mark(at, via), std::move(message), {}, {}}});
  return found_.back().diagnostic;
}

bool Reading::has_reported(const char* code, const Place& at) const {
  return places_.count(key_of(code, at)) > 0;
}

void Reading::flush() {
  std::stable_sort(found_.begin(), found_.end(), [](const Found& a, const Found& b) {
    return std::tie(a.place.source, a.place.line, a.place.column) <
           std::tie(b.place.source, b.place.line, b.place.column);
  });
  for (Found& f : found_) {
    Diagnostic& d = out_.error(f.diagnostic.code, f.diagnostic.mark, f.diagnostic.message);
    d.notes = std::move(f.diagnostic.notes);
    d.helps = std::move(f.diagnostic.helps);
  }
  found_.clear();
}

Mark Reading::mark(const Place& at, const Via& via) const {
  return {sources.at(at.source), at.line, at.column, at.length, via ? via : included_[at.source]};
}

uint32_t Reading::add_source(std::string name, std::string text, Via via) {
  included_.push_back(std::move(via));
  sources.push_back(std::make_shared<const Source>(Source{std::move(name), std::move(text)}));
  return uint32_t(sources.size() - 1);
}

void Reading::spend(const Place& at, const Via& via, size_t values, size_t bytes) {
  values_ += values;
  bytes_ += bytes;
  if (values_ <= Limits::values && bytes_ <= Limits::value_bytes) return;
  error("E0047", at, "blocks, loops and repeats expand to more than a network can be", via)
      .help("something is repeated far more often than meant");
  throw Stop{};
}

}  // namespace braid::dsl
