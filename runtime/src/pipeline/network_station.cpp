#include "pipeline/network_station.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include <braid/runtime/session.h>

#include "execution.h"
#include "pipeline/stream.h"

namespace braid {
namespace {

// Row `i` of `count`, without the batch dimension.
Array row(const Array& whole, size_t i, size_t count) {
  Array one{whole.dtype, {whole.dims.begin() + 1, whole.dims.end()}, {}};
  const auto size = std::ptrdiff_t(whole.bytes.size() / count);
  const auto begin = whole.bytes.begin() + size * std::ptrdiff_t(i);
  one.bytes.assign(begin, begin + size);
  return one;
}

}  // namespace

NetworkStation::NetworkStation(Stream& stream, StageRun& stage, const ResolvedStage& resolved,
                               int limit)
    : Station(stream, {&stage}, limit, stage.decl->ordered),
      session_(*resolved.session),
      feed_(stage.decl->feed) {}

Array NetworkStation::stacked(std::span<Record> records, const std::string& field) const {
  const Array* first = nullptr;
  Array all;
  for (const Record& record : records) {
    auto found = record.find(field);
    if (found == record.end()) {
      std::vector<std::string> names;
      for (auto& [name, array] : record) names.push_back(name);
      throw Error(Fault::run, "E0463",
                  "the record has no field '" + field + "'" + did_you_mean(field, names))
          .help("`feed: {input: field}` says what an input of the network is filled with");
    }
    const Array& array = found->second;
    if (!first) {
      first = &array;
      all = {array.dtype, array.dims, {}};
      all.dims.insert(all.dims.begin(), int64_t(records.size()));
      all.bytes.reserve(array.bytes.size() * records.size());
    }
    if (array.dtype != first->dtype || array.dims != first->dims)
      throw Error(Fault::run, "E0463",
                  "field '" + field + "' is " + to_string(*first) + " and " + to_string(array) +
                      " in one batch");
    all.bytes.insert(all.bytes.end(), array.bytes.begin(), array.bytes.end());
  }
  return all;
}

void NetworkStation::pass(std::span<Record> records) {
  std::map<std::string, Array> fed;
  if (feed_.empty()) {
    for (auto& input : session_.model().inputs)
      if (records.front().contains(input.name))
        fed.emplace(input.name, stacked(records, input.name));
  }
  for (auto& [input, field] : feed_) fed.emplace(input, stacked(records, field));
  auto outputs = session_.run(fed, stage().decl->outputs);
  for (auto& [name, whole] : outputs) {
    if (whole.dims.empty() || whole.dims[0] != int64_t(records.size()))
      throw Error(Fault::run, "E0463",
                  "output '" + name + "' is " + to_string(whole) + ", no row for each item");
    for (size_t i = 0; i < records.size(); ++i)
      records[i].insert_or_assign(name, row(whole, i, records.size()));
  }
}

// A session keeps few programs, one for each number of samples. A batch that is not full goes in
// passes of powers of two, so that there are few numbers; what an item gets is the same.
Shell* NetworkStation::work(Shell* shell, Next& next) {
  if (stream_.failing()) {
    stream_.let_go(shell, next);
    return nullptr;
  }
  Tally& tally = stage().tally(next.slot());
  const int64_t start = now();
  ++tally.in, ++tally.calls, ++tally.timed;
  try {
    if (!shell->item.type()->element) {
      Record record = shell->item.take<Record>();
      pass({&record, 1});
      shell->item = Item::of(std::move(record));
    } else {
      auto batch = shell->item.take<Items<Record>>();
      std::span<Record> left(batch);
      const auto full = size_t(stream_.full_batch(stage()));
      while (!left.empty()) {
        const size_t count = left.size() == full ? full : std::bit_floor(left.size());
        pass(left.first(count));
        left = left.subspan(count);
      }
      shell->item = Item::of(std::move(batch));
    }
  } catch (...) {
    ++tally.failed;
    stream_.fail(stage(), token_of(*shell), std::current_exception());
    stream_.let_go(shell, next);
    shell = nullptr;
  }
  tally.timed_ns += now() - start;
  if (shell) ++tally.out;
  return shell;
}

}  // namespace braid
