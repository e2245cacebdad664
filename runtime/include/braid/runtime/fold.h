// Folding batch norms for inference: the network (braid/compiler/fold.h) and its weights together.
//
//   Session session = Session::open("digits.yaml");
//   train(session, {.out = "runs/digits"});
//   FoldedSession fast = fold_batch_norms(session);
//   std::cout << to_string(fast.report);
//   fast.session.run({{"image", image}});        // what `session` gives, but for rounding
//
// Everything is computed in f64 and rounded to f32 once.
#pragma once
#include <map>
#include <string>
#include <vector>

#include <braid/compiler/fold.h>
#include <braid/runtime/session.h>

namespace braid {

/// The weights of the folded model: the layers' weights scaled, their biases moved or made, the
/// batch norms' tensors gone, all others as they were. Throws Error(data, "E0294") for a tensor
/// that is missing, no f32 or of the wrong shape.
std::map<std::string, Array> fold_weights(const std::vector<Fold>& folds,
                                          std::map<std::string, Array> weights);

/// Both at once, the model and its weights; both are as they were when it throws.
FoldReport fold_batch_norms(Model& model, std::map<std::string, Array>& weights,
                            const Registry& registry, const std::vector<std::string>& keep = {});

struct FoldedSession {
  Session session;
  FoldReport report;
};

/// A session for inference beside one that may go on training: same options, folded weights. `keep`
/// names layers that will be asked for as outputs; those that hooks watch stay, too. It is a
/// session of its own: on_replicate hooks are called for it.
FoldedSession fold_batch_norms(Session& session, const std::vector<std::string>& keep = {});

}  // namespace braid
