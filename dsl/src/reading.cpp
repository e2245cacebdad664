#include "reading.h"

namespace braid::dsl {

Diagnostic& Reading::error(const char* code, const Place& at, std::string message, const Via& via) {
  ++errors;
  std::string key = std::to_string(at.source) + ':' + std::to_string(at.line) + ':' +
                    std::to_string(at.column) + code + message.substr(0, 200);
  if (!reported_.insert(std::move(key)).second) return repeated_ = {};
  return found.error(code, mark(at, via), std::move(message));
}

Mark Reading::mark(const Place& at, const Via& via) const {
  return {sources.at(at.source), at.line, at.column, at.length, via ? via : included_[at.source]};
}

uint32_t Reading::add_source(std::string name, std::string text, Via via) {
  included_.push_back(std::move(via));
  sources.push_back(std::make_shared<const Source>(Source{std::move(name), std::move(text)}));
  return uint32_t(sources.size() - 1);
}

void Reading::spend(const Place& at, const Via& via, size_t bytes) {
  bytes_ += bytes;
  if (++values_ <= Limits::values && bytes_ <= Limits::value_bytes) return;
  error("E0047", at,
        "blocks and repeats expand to more than " + std::to_string(Limits::values) + " values", via)
      .help("something is repeated far more often than meant");
  throw Stop{};
}

}  // namespace braid::dsl
