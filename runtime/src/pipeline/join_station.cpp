#include "pipeline/join_station.h"

#include <algorithm>

#include "execution.h"
#include "pipeline/stream.h"

namespace braid {
namespace {

// Of one integer, or of text in bytes.
std::string text_of(const Array& array) {
  if (array.elements() == 1 && array.dtype == DType::i64)
    return std::to_string(array.as<int64_t>()[0]);
  if (array.elements() == 1 && array.dtype == DType::i32)
    return std::to_string(array.as<int32_t>()[0]);
  return {reinterpret_cast<const char*>(array.bytes.data()), array.bytes.size()};
}

Item merged(std::span<Item> items) {
  Record all = items[0].take<Record>();
  for (Item& item : items.subspan(1))
    for (auto& [name, array] : item.take<Record>()) all.insert_or_assign(name, std::move(array));
  return Item::of(std::move(all));
}

}  // namespace

JoinStation::JoinStation(Stream& stream, StageRun& stage, const ResolvedStage& resolved)
    : Station(stream, {&stage}, 1, true) {
  for (const StageDef* key : resolved.keys) keys_.push_back(key->make({}, {}));
  if (keys_.empty()) field_ = stage.decl->by;
  if (!stage.call) stage.call = merged;
}

std::string JoinStation::key_of(Shell& shell) {
  if (!keys_.empty()) return keys_[size_t(shell.edge->port)]({&shell.item, 1}).take<std::string>();
  if (field_.empty()) return std::to_string(token_of(shell).number);
  auto& record = shell.item.read<Record>();
  if (auto found = record.find(field_); found != record.end()) return text_of(found->second);
  std::vector<std::string> names;
  for (auto& [name, array] : record) names.push_back(name);
  throw Error(
      Fault::run, "E0463",
      "the record has no field '" + field_ + "', which is the key" + did_you_mean(field_, names));
}

// The first part carries the result, and the others end with it.
Shell* JoinStation::join(Parts parts) {
  std::vector<Item> items;
  for (Shell* part : parts) items.push_back(std::move(part->item));
  Shell* first = parts.front();
  first->parts.insert(first->parts.end(), parts.begin() + 1, parts.end());
  first->item = stage().call(items);
  return first;
}

Shell* JoinStation::work(Shell* shell, Next& next) {
  if (stream_.failing()) {
    stream_.let_go(shell, next);
    return nullptr;
  }
  Tally& tally = stage().tally(next.slot());
  const int64_t start = now();
  ++tally.in, ++tally.calls, ++tally.timed;
  const auto port = size_t(shell->edge->port);
  Shell* out = nullptr;
  Shell* lost = shell;
  try {
    std::string key = key_of(*shell);
    Parts& parts = table_[key];
    parts.resize(inputs.size());
    if (parts[port])
      throw Error(Fault::run, "E0461",
                  "two items of '" + inputs[port]->from->stage().decl->name + "' have the key '" +
                      key + "', items " + std::to_string(token_of(*parts[port]).number + 1) +
                      " and " + std::to_string(token_of(*shell).number + 1))
          .help("a key may come again when the one before it has found its partners");
    parts[port] = shell;
    lost = nullptr;
    if (std::ranges::count(parts, nullptr) == 0) {
      Parts whole = std::move(parts);
      table_.erase(key);
      lost = whole.front();
      lost = out = join(std::move(whole));
      lost = nullptr;
    }
  } catch (...) {
    ++tally.failed;
    stream_.fail(stage(), token_of(*shell), std::current_exception());
    if (lost) stream_.let_go(lost, next);
  }
  tally.timed_ns += now() - start;
  if (out) ++tally.out;
  return out;
}

int64_t JoinStation::waiting() const {
  int64_t count = 0;
  for (auto& [key, parts] : table_)
    count += int64_t(parts.size()) - std::ranges::count(parts, nullptr);
  return count;
}

// Whether an input that is missing cannot come: its sources have ended or, by number, are past it.
bool JoinStation::hopeless(const Parts& parts) const {
  const bool by_number = keys_.empty() && field_.empty();
  const Shell* any = *std::ranges::find_if(parts, [](auto* part) { return part != nullptr; });
  const Token& token = token_of(*any);
  const auto here =
      std::ranges::count_if(parts, [&](auto* part) { return part && &token_of(*part) == &token; });
  auto is_past = [&](const SourceStation* source) {
    return source->made() > token.number && (source != token.source || token.shells == here);
  };
  for (size_t port = 0; port < parts.size(); ++port)
    if (!parts[port] && std::ranges::all_of(origins[port], [&](const SourceStation* source) {
          return source->ended() || stream_.stopping() || (by_number && is_past(source));
        }))
      return true;
  return false;
}

// Nothing moves: no lock is needed, but what is let go moves again.
bool JoinStation::settle(Next& next) {
  std::vector<Shell*> gone;
  for (auto entry = table_.begin(); entry != table_.end();) {
    if (!stream_.failing() && !hopeless(entry->second)) {
      ++entry;
      continue;
    }
    for (Shell* part : entry->second)
      if (part) gone.push_back(part);
    entry = table_.erase(entry);
  }
  if (!stream_.failing()) stage().tally(next.slot()).unmatched += int64_t(gone.size());
  for (Shell* shell : gone) stream_.let_go(shell, next);
  return !gone.empty();
}

}  // namespace braid
