// PipelineDecl: a stream of items through stages, as it was typed. `dsl` makes one from
// `pipeline:`, C++ programs make one directly; runtime/pipeline.h runs it.
//
//   PipelineDecl p;
//   p.stages.push_back({.name = "frames", .kind = StageKind::source, .call = "camera"});
//   p.stages.push_back({.name = "shrink", .kind = StageKind::map, .from = {{0}}, .parallel = 2});
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <braid/core/attr.h>

namespace braid {

enum class StageKind { source, map, filter, join, batch, network, unbatch, sink };

/// What happens to an item that comes to a full queue.
enum class Overflow {
  block,        ///< the stage before waits
  drop_oldest,  ///< the one that has waited longest goes, counted
  drop_newest,  ///< the one that comes goes, counted
};

/// An edge from an earlier stage.
struct StageFrom {
  int stage = -1;  ///< index into PipelineDecl::stages
  Mark mark = {};
};

struct StageDecl {
  std::string name;  ///< unique
  StageKind kind = StageKind::map;
  std::vector<StageFrom> from = {};  ///< none for sources, several for joins, else one
  std::string call = {};             ///< a callable's name; batch, network and unbatch have none
  Dict params = {};                  ///< of the callable: what was typed beside the common keys
  int64_t parallel = 1;              ///< items at a time; 0 = as many as threads
  bool ordered = true;  ///< items leave in the order of the source, whichever is ready first
  int64_t queue = 16;   ///< items that wait in front of the stage
  Overflow overflow = Overflow::block;
  std::string by = {};       ///< join: the callable, or the field of a record, that is the key
  int64_t max = 16;          ///< batch: items of one
  double wait_ms = 1;        ///< batch: for more of them, from the first on
  std::string model = {};    ///< network: a file, from Model::folder; "" = the file's own layers
  std::string weights = {};  ///< network: a safetensors file; "" = what the model says
  std::map<std::string, std::string> feed = {};  ///< network: input -> field of the record
  std::vector<std::string> outputs = {};  ///< network: fields it adds; none = the declared ones
  Mark mark = {};                         ///< of the name
  Mark kind_mark = {};                    ///< of the kind
  Mark call_mark = {};
};

struct PipelineDecl {
  std::vector<StageDecl> stages = {};  ///< a stage stands behind those that it takes from
  int64_t in_flight = 64;              ///< items between source and sink; more wait in the source
  Mark mark = {};
};

}  // namespace braid
