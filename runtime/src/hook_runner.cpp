#include "hook_runner.h"

#include <cstring>
#include <utility>

#include "replication.h"

namespace braid {

namespace {

thread_local const HookTable* visiting = nullptr;

/// The thread is inside of one of these hooks.
class Inside {
 public:
  explicit Inside(const HookTable* hooks) : before_(std::exchange(visiting, hooks)) {}
  Inside(const Inside&) = delete;
  ~Inside() { visiting = before_; }

 private:
  const HookTable* before_;
};

}  // namespace

void require_outside(const HookTable* hooks) {
  if (hooks && visiting == hooks)
    throw Error(Fault::usage, "E0429", "it calls into its own session, which is running")
        .help("a hook sees what its visit shows; call the session when the step is over");
}

HookRunner::HookRunner(const Plan& plan, std::shared_ptr<const HookTable> table, Mode mode)
    : plan_(plan), table_(std::move(table)), mode_(mode) {
  for (auto& point : plan.hook_points)
    ensure(point.node < 0 || (table_ && point.spec < int(table_->hooks.specs().size())),
           "the plan has hooks that nothing is bound to");
}

// The replicas whose values the step is shown: one, or, joined, all that have samples.
std::vector<int> HookRunner::replicas_of(const Step& step, const HookPoint& point) const {
  if (step.replica >= 0) return {step.replica};
  if (step.inputs == point.values + point.inputs) return {0};  // common to all
  std::vector<int> replicas;
  auto& slices = plan_.slices[size_t(point.micro)];
  for (int r = 0; r < plan_.replicas; ++r)
    if (slices[size_t(r)]) replicas.push_back(r);
  return replicas;
}

void HookRunner::show(const Step& step, const HookPoint& point, void* const* in, void* const* out,
                      HookVisit& visit, Copies& copies) const {
  auto& slices = plan_.slices[size_t(point.micro)];
  int64_t first = 0;
  for (int m = 0; m < point.micro; ++m)
    for (int64_t n : plan_.slices[size_t(m)]) first += n;
  int at = 0, written = 0, replica = 0;
  for (int r : replicas_of(step, point)) {
    for (; replica < r; ++replica) first += slices[size_t(replica)];
    HookSlice slice{.replica = r, .first_sample = first};
    for (int k = 0; k < point.values + point.inputs; ++k) {
      HookTensor tensor{.dtype = point.types[size_t(k)].dtype,
                        .dims = point.types[size_t(k)].dims(slices[size_t(r)])};
      auto bytes = size_t(point.types[size_t(k)].bytes(slices[size_t(r)]));
      bool value = k < point.values, made = value && computes(point.kind);
      const bool given = !made && plan_.slots[size_t(plan_.in(step)[size_t(at)])].input >= 0;
      auto data = static_cast<std::byte*>(made ? out[written] : in[at++]);
      if (given) data = copies.emplace_back(data, data + bytes).data();
      if (size_t(k) < point.names.size()) tensor.name = point.names[size_t(k)];
      if (value && step.outputs) {
        tensor.writable = static_cast<std::byte*>(out[written++]);
        if (made)
          std::memset(tensor.writable, 0, bytes);
        else
          std::memcpy(tensor.writable, data, bytes);
        data = tensor.writable;
      }
      tensor.bytes = {data, bytes};
      (value ? slice.values : slice.inputs).push_back(std::move(tensor));
    }
    visit.slices.push_back(std::move(slice));
  }
}

// Totals of several micro-batches add up under one name.
void HookRunner::add_results(HookVisit& visit) const {
  std::map<std::string, std::vector<double>> totals;
  for (auto& value : visit.slices.front().values) {
    auto more = value.f64();
    auto& sums = totals[value.name];
    sums.resize(std::max(sums.size(), more.size()));
    for (size_t i = 0; i < more.size(); ++i) sums[i] += more[i];
  }
  for (auto& [name, sums] : totals) visit.results[name] = table_->finish(name, sums);
}

void HookRunner::run(const Step& step, void* const* in, void* const* out,
                     const Scalars& scalars) const {
  auto& point = plan_.hook_points[size_t(step.hook)];
  auto& spec = plan_.hooks[size_t(point.spec)];
  HookVisit visit{.kind = point.kind,
                  .layer = point.layer,
                  .type = point.type,
                  .mark = point.mark,
                  .mode = mode_,
                  .step = scalars.step,
                  .lr = scalars.lr,
                  .micro = point.micro,
                  .replicas = plan_.replicas,
                  .device = plan_.devices[size_t(step.device)]};
  if (point.position >= 0 && size_t(point.position) < table_->contexts.size())
    visit.context = table_->contexts[size_t(point.position)].get();
  Copies copies;
  show(step, point, in, out, visit, copies);
  if (point.kind == HookKind::step) add_results(visit);
  const Inside inside(table_.get());
  run_hook([&] { table_->hooks.visit(point.spec, visit); },
           [&](const std::string& what, const std::string& help) {
             auto error = Error(Fault::run, "E0426", what, point.mark);
             error.first().note(spec.mark, "bound here");
             error.first().help(help);
             throw Error(Fault::run, {error.first()});
           });
}

}  // namespace braid
