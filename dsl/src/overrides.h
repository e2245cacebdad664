// `--set key=value`: typed values put into the tree before it is read.
#pragma once
#include <deque>
#include <vector>

#include "params.h"

namespace braid::dsl {

/// Values for the file's params, which replace their defaults. The members live here.
struct Overrides {
  std::deque<Member> members = {};
  std::vector<Given> params = {};
};

/// Puts dotted paths into `root` and collects values of params.
Overrides apply_overrides(Reading& reading, const ReadOptions& options, Node& root);

}  // namespace braid::dsl
