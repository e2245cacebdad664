// Weights and checkpoints of a session, in and out.
#include <braid/runtime/session.h>

#include "float_mode.h"
#include "rename.h"
#include "session_impl.h"

namespace braid {

// Variables come with the first program that uses them; whoever asks earlier has them made here.
void Session::Impl::make_variables() {
  Diagnostics found;
  for (auto& var : check(model, registry, found).states) {
    StateVar wide = var;
    if (traits.kind == "reference" && wide.type.dtype == DType::f32) wide.type.dtype = DType::f64;
    state.add(wide);
  }
  found.raise();
}

std::map<std::string, Array> Session::weights() {
  DefaultFloatMode float_mode;
  std::lock_guard lock(impl_->gate);
  impl_->make_variables();
  return impl_->state.weights();
}

void Session::set_weights(const std::map<std::string, Array>& tensors, const std::string& from) {
  DefaultFloatMode float_mode;
  std::lock_guard lock(impl_->gate);
  impl_->make_variables();
  if (impl_->model.ties.empty()) return impl_->state.load(tensors, from, false);
  auto own = tensors;  // others write a tied tensor under both names
  for (auto& tie : impl_->model.ties) {
    auto copy = own.find(tie.key), kept = own.find(tie.to);
    if (copy != own.end() && kept != own.end() && copy->second.bytes == kept->second.bytes)
      own.erase(copy);
  }
  impl_->state.load(own, from, false);
}

void Session::load_weights(const std::string& path) { impl_->load(read_safetensors(path), path); }

void Session::load_weights(std::span<const std::byte> file, const std::string& name) {
  impl_->load(parse_safetensors(file, name), name);
}

void Session::Impl::load(TensorFile file, const std::string& path) {
  DefaultFloatMode float_mode;
  std::lock_guard lock(gate);
  std::erase_if(file.tensors, [](auto& entry) { return entry.first.starts_with("optimizer."); });
  const WeightsDecl rules = model.weights.value_or(WeightsDecl{});
  make_variables();
  Renamed renamed = rename_keys(std::move(file.tensors), rules, path);
  try {
    state.load(renamed.tensors, path, false, rules);
  } catch (const Error& e) {
    auto d = e.diagnostics().front();
    for (auto& note : renamed.unused) d.note(rules.mark, note);
    throw Error(e.fault(), {std::move(d)});
  }
}

void Session::exchange_averages() {
  std::lock_guard lock(impl_->gate);
  impl_->state.exchange_averages();
}

TensorFile Session::Impl::saved() {
  std::lock_guard lock(gate);
  return {.tensors = state.weights(), .metadata = {{"format", "pt"}}};
}

std::string Session::save_weights(const std::string& path) {
  return write_safetensors(path, impl_->saved());
}

std::vector<std::byte> Session::save_weights() {
  weights();  // all are made
  return format_safetensors(impl_->saved());
}

Checkpoint Session::checkpoint() {
  std::string program, reduce = "exact";
  for (auto& key : training_programs(impl_->model.batch.global)) {
    const Plan& plan = this->plan(key);
    program += (program.empty() ? "" : "+") + hex(plan.program_hash);
    if (plan.summed_over > 1) reduce = "fast over " + std::to_string(plan.summed_over) + " devices";
  }
  std::lock_guard lock(impl_->gate);
  return {.step = impl_->steps,
          .tensors = impl_->state.all(),
          .metadata = {{"program", program},
                       {"isa", impl_->traits.isa},
                       {"replicas", std::to_string(impl_->model.replicas)},
                       {"reduce", reduce},
                       {"seed", std::to_string(impl_->model.seed)},
                       {"name", impl_->model.name}}};
}

std::string Session::restore(const Checkpoint& checkpoint, bool exact) {
  auto mine = this->checkpoint().metadata;
  std::string differs;
  for (auto& [key, value] : mine) {
    auto found = checkpoint.metadata.find(key);
    std::string theirs = found == checkpoint.metadata.end() ? "unknown" : found->second;
    if (theirs != value)
      differs += (differs.empty() ? "" : "; ") + key + ": checkpoint " + theirs + ", now " + value;
  }
  if (exact && !differs.empty())
    throw Error(Fault::data, "E0322",
                "the network or its settings have changed since the checkpoint: " + differs)
        .help("without --exact the run goes on, with other bits than an uninterrupted one");
  std::lock_guard lock(impl_->gate);
  impl_->state.load(checkpoint.tensors, "the checkpoint", true);
  impl_->steps = checkpoint.step;
  return differs;
}

}  // namespace braid
