// Runs a network on a record, or on a batch of them.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "pipeline/resolved.h"
#include "pipeline/station.h"

namespace braid {

class NetworkStation : public Station {
 public:
  NetworkStation(Stream& stream, StageRun& stage, const ResolvedStage& resolved, int limit);

 protected:
  Shell* work(Shell* shell, Next& next) override;

 private:
  void pass(std::span<Record> records);
  Array stacked(std::span<Record> records, const std::string& field) const;

  Session& session_;
  std::map<std::string, std::string> feed_;  // input -> field
};

}  // namespace braid
