// The parts of a file beside its layers, each read by one function into its place in the Model.
#pragma once
#include <braid/core/model.h>

#include "keys.h"
#include "writer.h"

namespace braid::dsl {

// Before the layers, which need them.
void read_name_and_seed(const Env& env, Keys& keys, Model& model);
void read_replicas(const Env& env, Keys& keys, Model& model);
void read_batch(const Env& env, Keys& keys, Model& model);
void read_inputs(const Env& env, Keys& keys, Model& model);

// After the layers, which they name.
void read_outputs(Writer& writer, const List& layers, Keys& keys, Model& model);
void read_losses(Writer& writer, const List& layers, Keys& keys, Model& model);
void read_metrics(Writer& writer, const List& layers, Keys& keys, Model& model);
void read_phases(Writer& writer, const List& layers, Keys& keys, Model& model);

// Of training and deployment.
void read_optimizer(const Env& env, Keys& keys, Model& model);
void read_optimizer(const Env& env, const Node& node, std::optional<TypedDict>& optimizer,
                    std::vector<OptimizerGroup>& groups);
void read_ties(const Env& env, Keys& keys, Model& model);
void read_schedule(const Env& env, Keys& keys, Model& model);
void read_data(const Env& env, Keys& keys, Model& model);
void read_train(const Env& env, Keys& keys, Model& model);
void read_weights(const Env& env, Keys& keys, Model& model);
void read_precision(const Env& env, Keys& keys, Model& model);
void read_deployment(const Env& env, Keys& keys, Model& model);

/// Has them loaded.
void read_plugins(const Env& env, Keys& keys, const ReadOptions& options,
                  const std::string& folder);

void read_pipeline(const Env& env, Keys& keys, Model& model);
/// What is said of layers in a file that has none.
void refuse_parts_of_a_network(const Env& env, Keys& keys);

/// `{type: ..., ...}`; `example` is what to add where the type is missing.
std::optional<TypedDict> read_typed(const Env& env, const Node& node, const std::string& what,
                                    const char* example);

/// A batch size that does not say of what: of a replica, or of all.
void refuse_batch_size(const Env& env, const Member& bare);

}  // namespace braid::dsl
