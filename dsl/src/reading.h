// What one run of the reader carries along: where to report, the texts that were read, and how much
// it has built so far.
#pragma once
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <braid/core/error.h>
#include <braid/core/model.h>
#include <braid/dsl/read.h>

#include "tree.h"

namespace braid::dsl {

using Via = std::shared_ptr<const Frame>;

/// Thrown, once it has been reported, by an error after which nothing can be understood.
struct Stop {};

/// Bounds that keep a small hostile file from using much time or memory.
struct Limits {
  static constexpr size_t file_bytes = 8 << 20;
  static constexpr size_t scalar_bytes = 1 << 20;
  static constexpr size_t key_bytes = 128;
  static constexpr size_t depth = 64;
  static constexpr size_t nodes = 1'000'000;   // typed, aliases expanded
  static constexpr size_t values = 2'000'000;  // evaluated, blocks and repeats expanded
  static constexpr size_t item_values = 10;    // what writing an item counts as
  static constexpr size_t value_bytes = size_t{64} << 20;
  static constexpr size_t include_depth = 16;
  static constexpr size_t files = 256;
};

struct Reading {
  explicit Reading(Diagnostics& out) : out_(out) {}

  /// Reports an error once per place, however often a block with it is used.
  Diagnostic& error(const char* code, const Place& at, std::string message, const Via& via = {});
  Mark mark(const Place& at, const Via& via = {}) const;
  /// `via` is the include that brought the text in, for what is wrong with the text itself.
  uint32_t add_source(std::string name, std::string text, Via via = {});
  /// Was there an error of this code at this place?
  bool has_reported(const char* code, const Place& at) const;
  /// Counts evaluated values; throws Stop when the expansion has become too large.
  void spend(const Place& at, const Via& via, size_t values, size_t bytes = 0);
  /// Hands the errors over, in the order of the text.
  void flush();

  /// Free dimensions in the order they were named, and sizes that options give them.
  std::vector<FreeDim> free;
  struct Size {
    std::string name;
    int64_t value;
    Place place;
  };
  std::vector<Size> sizes;
  std::vector<std::shared_ptr<const Source>> sources;
  size_t errors = 0;  ///< reported so far

 private:
  std::vector<Via> included_;  // per source
  struct Found {
    Place place;
    Diagnostic diagnostic;
  };
  Diagnostics& out_;
  std::deque<Found> found_;
  std::set<std::string> reported_, places_;
  Diagnostic dropped_;
  size_t values_ = 0, bytes_ = 0;
};

}  // namespace braid::dsl
