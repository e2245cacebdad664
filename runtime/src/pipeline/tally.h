// What is counted of a stage, by each thread for itself, and added up in the end.
#pragma once
#include <atomic>
#include <cstdint>
#include <vector>

#include "pipeline/histogram.h"

namespace braid {

struct alignas(64) Tally {
  int64_t in = 0, out = 0, filtered = 0, failed = 0, dropped = 0, unmatched = 0;
  int64_t busy = 0;              // nanoseconds, of all calls by what the timed ones took
  int64_t calls = 0, timed = 0;  // a clock is read for every call, or for one of 16 short ones
  int64_t timed_ns = 0;
  int64_t members = 0;  // of batches

  bool is_timed() const { return timed < 64 || timed_ns > timed * 5000 || calls % 16 == 0; }
  double busy_seconds() const {
    return timed ? double(timed_ns) / double(timed) * double(calls) / 1e9 : 0;
  }
};

}  // namespace braid
