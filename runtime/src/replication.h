// What calling back after a replication needs, whoever made the replicas.
#pragma once
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <braid/core/mark.h>
#include <braid/runtime/modules.h>

namespace braid {

struct ReplicationCall {
  std::string what;   ///< names the hook
  std::string layer;  ///< "" = the whole model
  int copy = 0;
  Mark layer_mark = {}, bound = {};
};

/// Runs a hook; `fail` is told what it throws, and the help that came with it, and throws itself.
void run_hook(const std::function<void()>& call,
              const std::function<void(const std::string& what, const std::string& help)>& fail);

/// Runs `call`; what it throws becomes Error(run, "E0426") that names hook, layer and replica.
void call_on_replicate(const ReplicationCall& at, const std::function<void()>& call);

/// Throws Error(usage, "E0436") at the first place where a copy differs from copy 0.
void check_alike(const std::vector<std::pair<std::string, Module*>>& first,
                 const std::vector<std::pair<std::string, Module*>>& other, size_t copy);

}  // namespace braid
