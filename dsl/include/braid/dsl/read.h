// Text to Model. Everything that is wrong with a file is collected in one run; blocks, repeats and
// conditions are expanded, names are resolved, expressions are evaluated. What a layer's parameters
// mean is not checked here: that needs a Registry, which the compiler has.
//
//   Diagnostics found;
//   Model model = read_file("net.yaml", {.set = {{"lr", "0.01"}}, .replicas = 2}, found);
//   found.raise();   // throws Error(Fault::model) with every error of the file
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <braid/core/error.h>
#include <braid/core/model.h>

namespace braid {

struct ReadOptions {
  /// `--set key=value`: a param of the file, or a dotted path such as `optimizer.lr`; the value is
  /// read by the same strict rules as a value in the file.
  std::vector<std::pair<std::string, std::string>> set = {};
  std::optional<int64_t> replicas = {};
  std::optional<uint64_t> seed = {};
  /// False: a file that names plug-ins is refused (E0120), since they run code of their own.
  bool plugins = true;
  /// Called at each entry of `plugins`, before the layers are read, with the folder of the file.
  /// What it throws becomes an error at the entry. Null: such a file is refused, too; Session::open
  /// puts a loader here (braid/runtime/plugin.h).
  std::function<void(const std::string& path, const std::string& folder)> load_plugin = {};
};

/// Reads a file and what it includes. Never throws for what a file contains: a missing, unreadable
/// or broken file is an error in `found`. `layers` and all that refers to it stay empty unless they
/// were understood completely, so that a compiler that goes on to look for further errors finds
/// none that only follow from the first.
Model read_file(const std::string& path, const ReadOptions& options, Diagnostics& found);

/// The same for a text at hand; includes are relative to the folder of `name`.
Model read_text(std::string text, std::string name, const ReadOptions& options, Diagnostics& found);

}  // namespace braid
