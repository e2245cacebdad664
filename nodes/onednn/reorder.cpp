// The operation `reorder`: the same tensor in another memory format. The compiler inserts it
// between a producer and a consumer that want different formats; no layer does.
#include <braid/core/registry.h>

#include "onednn/kernel.h"

namespace braid {

static std::optional<Offer> reorder_offer(const Signature& s) {
  onednn::Sequence sequence;
  auto& engine = sequence.engine();
  auto from = onednn::description(s.in[0]), to = onednn::description(s.out[0]);
  dnnl::reorder::primitive_desc pd(engine, from, engine, to, onednn::attributes());
  sequence.add(pd, {{DNNL_ARG_FROM, onednn::input(0)}, {DNNL_ARG_TO, onednn::output(0)}});
  return sequence.offer({s.in[0].format}, {s.out[0].format});
}

void register_onednn(Registry& registry) {
  registry.add(OpDef{.name = "reorder", .infer = same_type, .linear = true});
  registry.add(onednn::kernel("reorder", reorder_offer));
}

}  // namespace braid
