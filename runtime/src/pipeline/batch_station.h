// Collects items and hands them on as one; and takes batches apart again.
#pragma once
#include <vector>

#include "pipeline/station.h"

namespace braid {

class BatchStation : public Station {
 public:
  BatchStation(Stream& stream, StageRun& stage);
  void carry(Shell* shell, Next& next) override;
  bool settle(Next& next) override;
  /// The timer's: the first item may have waited long enough.
  void due(Next& next);

 protected:
  void admit(SpinLock& lock, Next& next) override;

 private:
  bool full() const { return int64_t(open_.size()) == stage().decl->max; }
  bool may_go();
  void add(Shell* shell, Next& next);

  std::vector<Shell*> open_;
  int64_t wait_;  // nanoseconds
  int64_t deadline_ = 0;
  bool due_ = false;           // its first item has waited long enough
  bool nothing_more_ = false;  // can come
};

class UnbatchStation : public Station {
 public:
  UnbatchStation(Stream& stream, StageRun& stage);

 protected:
  Shell* work(Shell* shell, Next& next) override;
  void deliver(Shell* shell, Next& next) override;
};

}  // namespace braid
