// Sequence: one or more oneDNN primitives as the body of a kernel.
//
//   Sequence s;
//   dnnl::matmul::primitive_desc pd(desc, attributes(), s.engine());
//   s.add(pd, {{DNNL_ARG_SRC, input(0)}, {DNNL_ARG_WEIGHTS, input(1)}, {DNNL_ARG_DST, output(0)}});
//   return s.offer({"aBcd16b", "ABcd16b16a"}, {"aBcd16b"});
//
// The body may run in several threads at once; each run takes a set of argument objects from a
// small pool, since oneDNN's memory objects hold the addresses of one run.
#pragma once
#include <dnnl.hpp>
#include <string>
#include <vector>

#include <braid/core/kernel.h>

namespace braid::onednn {

/// Where an operand of a primitive lies.
struct Place {
  enum class Kind { input, output, workspace } kind;
  int64_t at;  ///< index, or offset in the workspace
};
inline Place input(int index) { return {Place::Kind::input, index}; }
inline Place output(int index) { return {Place::Kind::output, index}; }

struct Argument {
  int arg;  ///< DNNL_ARG_...
  Place place;
};

struct Step {
  dnnl::primitive_desc_base description;
  std::vector<Argument> arguments;
};

class Sequence {
 public:
  /// Of this sequence's primitives.
  const dnnl::engine& engine() const { return engine_; }
  /// Reserves workspace for a value that one step hands to a later one.
  Place workspace(const dnnl::memory::desc& md);
  /// The scratchpad is added by itself.
  void add(const dnnl::primitive_desc_base& description, std::vector<Argument> arguments);
  Offer offer(std::vector<Format> in, std::vector<Format> out) const;

 private:
  Place reserve(int64_t bytes);

  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  std::vector<Step> steps_;
  int64_t workspace_ = 0;
  std::string impl_;
};

/// Attributes of every primitive: the scratchpad comes from the plan's arena.
dnnl::primitive_attr attributes();

}  // namespace braid::onednn
