// Checkpoints: the whole state of a run at a step, in DIR/checkpoints/step-00000200.safetensors.
// A killed process, a full disk or a flipped bit costs at most the steps since the file before.
//
//   save_checkpoint("runs/digits", {.step = 200, .tensors = state, .metadata = {{"seed", "7"}}},
//   3); if (auto found = load_checkpoint("runs/digits")) {
//     restore(found->checkpoint.tensors);   // found->warning tells when a newer file was damaged
//   }
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <braid/runtime/array.h>

namespace braid {

struct Checkpoint {
  int64_t step = 0;  ///< optimizer steps done
  /// Weights under their keys, optimizer state under "optimizer.<key>.<name>".
  std::map<std::string, Array> tensors = {};
  /// Program hash, isa, seed, ...; never time, host, device or path, so that equal runs write equal
  /// bytes. Keys that begin with "braid." are the file format's own.
  std::map<std::string, std::string> metadata = {};
  bool operator==(const Checkpoint&) const = default;
};

struct FoundCheckpoint {
  Checkpoint checkpoint;
  std::string path;
  std::string warning;  ///< "" or which newer files are damaged, and how
};

/// Writes the checkpoint durably, then removes all but the newest `keep` (at least 2) up to this
/// step, and what killed processes left. Files of later steps, of a run that was taken up again
/// before them, are set aside as "*.superseded". The caller holds a FolderLock on `folder`.
/// Returns the path. Throws Error(Fault::output); older checkpoints are then untouched.
std::string save_checkpoint(const std::string& folder, Checkpoint checkpoint, int64_t keep);

/// The newest checkpoint that is whole; nothing when there is no file. Throws Error(Fault::data,
/// "E0321") when there are files and all are damaged.
std::optional<FoundCheckpoint> load_checkpoint(const std::string& folder);

/// One file. Throws Error(Fault::data): as read_safetensors, and "E0320" when the file is no
/// checkpoint or its checksum does not fit its contents, "E0323" for one of another format.
Checkpoint read_checkpoint(const std::string& path);

/// The paths of all checkpoints of a run, by step; only names are looked at.
std::vector<std::string> list_checkpoints(const std::string& folder);

}  // namespace braid
