// Embedding: a learned row for each token.
#include "embedding/ops.h"
#include "ops/checks.h"

namespace braid {
namespace {

std::vector<int> forward(Builder& b, Call& call) {
  require_i64(b, call, 0);
  const int weight = b.param(
      "weight", {get_int(call.params, "num_embeddings"), get_int(call.params, "embedding_dim")},
      Init::normal(0, 1));
  call.saved["weight"] = weight;
  return b.add("embedding", {call.in[0], weight});
}

std::vector<int> gradient(Builder& b, const Call& call, const std::vector<int>& g) {
  const int weight = call.saved.at("weight");
  if (g[0] >= 0 && b.needs_gradient(weight))
    b.add_gradient(weight, b.one("embedding_grad", {call.in[0], g[0]},
                                 {{"rows", b.type(weight).shape[0].value}}));
  return {-1};
}

}  // namespace

void register_embedding(Registry& registry) {
  register_embedding_ops(registry);
  register_embedding_kernels(registry);
  register_embedding_reference(registry);
  registry.add(LayerDef{
      .name = "Embedding",
      .doc = "A row of a learned table for each token: i64 [N, L] gives f32 [N, L, "
             "embedding_dim]. A token outside the table fails the step.",
      .formula = "y[n, l] = weight[x[n, l]], weight [num_embeddings, embedding_dim]; begins "
                 "normal with mean 0 and standard deviation 1",
      .source = "torch.nn.Embedding",
      .inputs = {{"input", "tokens from 0 to num_embeddings - 1, i64, any shape"}},
      .params = {{.name = "num_embeddings", .doc = "rows of the table", .min = 1},
                 {.name = "embedding_dim", .doc = "numbers in a row", .min = 1}},
      .forward = forward,
      .gradient = gradient,
      .samples = {{.inputs = {{DType::i64, {N, 4}}},
                   .params = {{"num_embeddings", 6}, {"embedding_dim", 5}},
                   .classes = 6},
                  {.inputs = {{DType::i64, {N}}},
                   .params = {{"num_embeddings", 3}, {"embedding_dim", 1}},
                   .classes = 2,
                   .note = "one token a sample; the last row is never used"}}});
}

}  // namespace braid
