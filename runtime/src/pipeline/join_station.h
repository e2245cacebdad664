// Brings together what has the same key. What waits for a partner holds its token.
#pragma once
#include <string>
#include <unordered_map>
#include <vector>

#include "pipeline/resolved.h"
#include "pipeline/station.h"

namespace braid {

class JoinStation : public Station {
 public:
  JoinStation(Stream& stream, StageRun& stage, const ResolvedStage& resolved);
  /// Lets go what can have no partner any more.
  bool settle(Next& next) override;

  int64_t waiting() const;
  /// A key that waits; there is one.
  const std::string& some_key() const { return table_.begin()->first; }

  std::vector<std::vector<SourceStation*>> origins;  ///< by input: where its items may come from

 protected:
  Shell* work(Shell* shell, Next& next) override;

 private:
  using Parts = std::vector<Shell*>;  // by input, null where it has not come
  std::string key_of(Shell& shell);
  Shell* join(Parts parts);
  bool hopeless(const Parts& parts) const;

  std::vector<StageCall> keys_;
  std::string field_;
  std::unordered_map<std::string, Parts> table_;
};

}  // namespace braid
