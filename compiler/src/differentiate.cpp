// Walks the calls backwards and adds the operations of their gradients.
#include <algorithm>
#include <map>

#include "build.h"
#include "hooks.h"
#include "recompute.h"

namespace braid {
namespace {

// A loss divides by the count of the whole optimizer step: with micro-batches, the sum of theirs.
void join_counts(Builder& b) {
  std::map<std::string, std::vector<int>> losses;
  auto& calls = b.graph().calls;
  for (size_t i = 0; i < calls.size(); ++i)
    if (calls[i].def->role == Role::loss) losses[calls[i].path].push_back(int(i));
  for (auto& [path, ids] : losses) {
    if (ids.size() < 2) continue;
    b.enter(ids.back());
    int total = -1;
    for (int id : ids) {
      auto count = calls[size_t(id)].saved.find("count");
      ensure(count != calls[size_t(id)].saved.end(), "a loss must save its count");
      total = total < 0 ? count->second : b.one("add", {total, count->second});
    }
    for (int id : ids) calls[size_t(id)].saved["count"] = total;
  }
}

// What a layer hands on untouched is one value with one gradient: adding it again would double it.
bool passes_on(const Call& call) {
  return std::ranges::all_of(call.out,
                             [&](int v) { return std::ranges::find(call.in, v) != call.in.end(); });
}

// Unless a hook wrote: what it made is a value of its own, whose gradient goes on to what it saw.
void hand_back(Builder& b, const std::vector<HookSpec>& hooks, int id) {
  const Call call = b.graph().calls[size_t(id)];
  if (call.handed == call.out) return;
  std::vector<int> gradients;
  for (size_t k = 0; k < call.out.size(); ++k)
    gradients.push_back(call.handed[k] == call.out[k] ? -1 : b.gradient_of(call.handed[k]));
  gradients = mutate_gradients(b, hooks, id, std::move(gradients));
  observe_gradients(b, hooks, id, gradients, gradients);
  for (size_t k = 0; k < gradients.size(); ++k) b.add_gradient(call.out[k], gradients[k]);
}

}  // namespace

void differentiate(Builder& b, Diagnostics& found, const std::vector<HookSpec>& hooks) {
  join_counts(b);
  Recompute recompute(b.graph());
  b.backward(true);
  auto& calls = b.graph().calls;
  for (int i = int(calls.size()) - 1; i >= 0; --i) {
    const Call call = calls[size_t(i)];
    if (call.def->role == Role::metric) continue;
    b.enter(i);
    if (passes_on(call)) {
      hand_back(b, hooks, i);
      continue;
    }
    bool is_loss = call.def->role == Role::loss, reached = is_loss, needed = false;
    std::vector<int> gradients;
    for (int v : call.handed) {
      gradients.push_back(is_loss ? -1 : b.gradient_of(v));
      reached |= gradients.back() >= 0;
      needed |= b.needs_gradient(v);
    }
    if (!reached || !needed) continue;
    if (!call.def->gradient) {
      found
          .error("E0245", call.mark,
                 call.path + ": " + call.def->name +
                     " has no gradient, and what stands before it is to be trained")
          .help("give its definition a gradient, or freeze the layers before it");
      continue;
    }
    gradients = mutate_gradients(b, hooks, i, std::move(gradients));
    std::vector<int> back;
    try {
      back = call.def->gradient(b, recompute.seen_by_gradient(b, call), gradients);
    } catch (const Error& e) {  // a Callback without `backward`
      if (e.fault() != Fault::model) throw;
      found.add(e);
      continue;
    }
    observe_gradients(b, hooks, i, gradients, back);
    ensure(back.size() <= call.in.size(), "a gradient rule returned more values than inputs");
    for (size_t k = 0; k < back.size(); ++k) b.add_gradient(call.in[k], back[k]);
  }
}

}  // namespace braid
