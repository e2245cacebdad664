#include "replication.h"

#include <algorithm>

namespace braid {
namespace {

std::string place(const std::string& path) {
  return path.empty() ? "the model" : "layer '" + path + "'";
}

}  // namespace

void run_hook(const std::function<void()>& call,
              const std::function<void(const std::string& what, const std::string& help)>& fail) {
  try {
    call();
  } catch (const Error& e) {
    fail(e.diagnostics().front().message, e.diagnostics().front().helps);
  } catch (const std::exception& e) {
    fail(e.what(), "");
  } catch (...) {
    fail("an exception that is no std::exception", "");
  }
}

void call_on_replicate(const ReplicationCall& at, const std::function<void()>& call) {
  run_hook(call, [&](const std::string& what, const std::string& help) {
    auto error = Error(Fault::run, "E0426",
                       "hook on_replicate '" + at.what + "' of " + place(at.layer) + ", replica " +
                           std::to_string(at.copy) + ": " + what,
                       at.layer_mark);
    if (at.bound) error.first().note(at.bound, "bound here");
    if (!help.empty()) error.first().help(help);
    throw Error(Fault::run, {error.first()});
  });
}

void check_alike(const std::vector<std::pair<std::string, Module*>>& first,
                 const std::vector<std::pair<std::string, Module*>>& other, size_t copy) {
  auto describe = [](const auto& modules, size_t i) {
    return i < modules.size() ? modules[i].second->type() + " at '" + modules[i].first + "'"
                              : std::string("nothing");
  };
  for (size_t i = 0; i < std::max(first.size(), other.size()); ++i)
    if (i >= first.size() || i >= other.size() || first[i].first != other[i].first ||
        first[i].second->type() != other[i].second->type())
      throw Error(Fault::usage, "E0436",
                  "copy " + std::to_string(copy) + " is not like copy 0: position " +
                      std::to_string(i) + " is " + describe(first, i) + " in copy 0 and " +
                      describe(other, i) + " in copy " + std::to_string(copy))
          .help("callbacks pair modules by their position: all copies need the same tree");
}

}  // namespace braid
