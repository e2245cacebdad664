// From arguments to the values of the public API.
#pragma once
#include <optional>

#include <braid/runtime/fold.h>
#include <braid/runtime/stages.h>

#include "arguments.h"

namespace braid::cli {

/// A file that is right as far as can be told without looking at data or weights.
struct Network {
  Model model;
  Summary summary;
  Registry registry;   ///< with what its plug-ins bring
  Hooks hooks = {};    ///< of its plug-ins, as far as it calls them
  Stages stages = {};  ///< those of Braid and of its plug-ins, for its pipeline
};

/// The network that the arguments name; prints its warnings. Throws Error(model) with all errors of
/// the file: what was typed, shapes, data and schedule.
Network load_network(const Arguments& arguments);
SessionOptions session_options(const Arguments& arguments);
/// The session of such a file, without weights.
Session session_of(const Network& network, SessionOptions options);
/// A session whose weights are those of --weights, else of the file's `weights:`, if
/// `with_weights`.
Session open_session(const Arguments& arguments, bool with_weights);
struct Inference {
  Session session;
  std::optional<FoldReport> fold = {};
};

/// A session with weights, its batch norms folded when the arguments say so; layers in `keep` will
/// be asked for as outputs. Says on stderr what was folded, unless the result is to be JSON.
Inference open_inference(const Arguments& arguments, const std::vector<std::string>& keep = {});
/// What comes with Braid and what these bring: shared libraries, or network files that name some.
Registry registry_with(const std::vector<std::string>& plugins);
/// What `plan` and `draw` show: compiled, not executed.
/// `phase`: of a network that has some, behind all that come before it.
Plan make_plan(const Network& network, const Arguments& arguments, int phase = -1);

}  // namespace braid::cli
