#include <algorithm>
#include <charconv>
#include <filesystem>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <braid/core/error.h>
#include <braid/runtime/checkpoint.h>
#include <braid/runtime/files.h>
#include <braid/runtime/safetensors.h>

#include "files/checksum.h"
#include "posix/atomic_file.h"

namespace braid {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view own_prefix = "braid.";
constexpr const char* format_key = "braid.format";
constexpr int64_t format = 1;  // counts up when older builds would misread what is written
constexpr const char* step_key = "braid.step";
constexpr const char* sum_key = "braid.xxh3";

struct Part {
  int64_t step;
  std::string path;
};

std::string subfolder(const std::string& folder) { return folder + "/checkpoints"; }

std::string path_of(const std::string& folder, int64_t step) {
  return fmt::format("{}/step-{:08}.safetensors", subfolder(folder), step);
}

std::optional<int64_t> parse_number(std::string_view text) {
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<int64_t> step_of(const std::string& path) {
  std::string name = fs::path(path).filename().string();
  constexpr std::string_view begin = "step-", end = ".safetensors";
  if (name.size() <= begin.size() + end.size()) return std::nullopt;
  if (!name.starts_with(begin) || !name.ends_with(end)) return std::nullopt;
  std::string_view digits(name);
  return parse_number(digits.substr(begin.size(), name.size() - begin.size() - end.size()));
}

std::vector<Part> items_by_step(const std::string& folder) {
  std::vector<Part> items;
  std::error_code failed;
  fs::directory_iterator it(subfolder(folder), failed), end;
  for (; !failed && it != end; it.increment(failed)) {
    std::string path = it->path().string();
    if (auto step = step_of(path)) items.push_back({*step, std::move(path)});
  }
  if (failed && failed != std::errc::no_such_file_or_directory) {
    throw Error(Fault::data, "E0301",
                fmt::format("cannot read folder '{}': {}", subfolder(folder), failed.message()));
  }
  std::sort(items.begin(), items.end(), [](const Part& a, const Part& b) {
    return std::pair(a.step, a.path) < std::pair(b.step, b.path);
  });
  return items;
}

TensorFile to_file(Checkpoint&& checkpoint) {
  TensorFile file{std::move(checkpoint.tensors), std::move(checkpoint.metadata)};
  for (const auto& [key, text] : file.metadata) {
    if (key.starts_with(own_prefix)) bug("metadata '" + key + "' has the file format's prefix");
  }
  file.metadata[format_key] = std::to_string(format);
  file.metadata[step_key] = std::to_string(checkpoint.step);
  file.metadata[sum_key] = checksum(file);
  return file;
}

// Neither failure to tidy up is worth losing a run for: the new checkpoint is already safe.
void tidy(const std::string& folder, int64_t step, int64_t keep) {
  std::vector<Part> items = items_by_step(folder);
  auto later = std::partition_point(items.begin(), items.end(),
                                    [&](const Part& item) { return item.step <= step; });
  std::error_code ignored;
  for (auto it = later; it != items.end(); ++it) {
    fs::rename(it->path, it->path + ".superseded", ignored);
  }
  int64_t surplus = (later - items.begin()) - std::max<int64_t>(keep, 2);
  for (int64_t i = 0; i < surplus; ++i) fs::remove(items[size_t(i)].path, ignored);
  posix::remove_temporaries(subfolder(folder));
}

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
  throw Error(Fault::data, "E0320", fmt::format("'{}' {}", path, why));
}

void check_format(const std::string& path, const std::map<std::string, std::string>& metadata) {
  auto found = metadata.find(format_key);
  int64_t theirs = found == metadata.end() ? 0 : parse_number(found->second).value_or(-1);
  if (theirs == format) return;
  const bool older = theirs >= 0 && theirs < format;
  throw Error(Fault::data, "E0323",
              fmt::format("'{}' is a checkpoint of {} braid: of format {}, and this one reads {}",
                          path, older ? "an older" : "a newer",
                          found == metadata.end() ? "0" : found->second, format))
      .help(fmt::format(
          "go on with the braid that wrote it, or start anew from its weights: --weights {}",
          path));
}

}  // namespace

std::string save_checkpoint(const std::string& folder, Checkpoint checkpoint, int64_t keep) {
  int64_t step = checkpoint.step;
  std::string path = path_of(folder, step);
  make_writable(subfolder(folder));
  write_safetensors(path, to_file(std::move(checkpoint)));
  tidy(folder, step, keep);
  return path;
}

Checkpoint read_checkpoint(const std::string& path) {
  TensorFile file = read_safetensors(path);
  std::string sum = std::exchange(file.metadata[sum_key], "");
  file.metadata.erase(sum_key);
  auto step = file.metadata.find(step_key);
  if (step == file.metadata.end()) refuse(path, "is a file of weights, not a checkpoint");
  check_format(path, file.metadata);
  if (sum != checksum(file)) refuse(path, "is damaged: its checksum does not fit its contents");
  Checkpoint checkpoint{.step = parse_number(step->second).value_or(-1)};
  file.metadata.erase(step);
  file.metadata.erase(format_key);
  checkpoint.tensors = std::move(file.tensors);
  checkpoint.metadata = std::move(file.metadata);
  return checkpoint;
}

std::optional<FoundCheckpoint> load_checkpoint(const std::string& folder) {
  std::vector<Part> items = items_by_step(folder);
  if (items.empty()) return std::nullopt;
  std::string damaged;
  for (auto it = items.rbegin(); it != items.rend(); ++it) try {
      Checkpoint checkpoint = read_checkpoint(it->path);
      if (checkpoint.step != it->step) refuse(it->path, "was renamed: it holds another step");
      return FoundCheckpoint{std::move(checkpoint), it->path, std::move(damaged)};
    } catch (const Error& error) {
      if (error.diagnostics().front().code == "E0323") throw;  // it is whole: none older will do
      damaged += (damaged.empty() ? "" : "\n") + error.diagnostics().front().message;
    }
  throw Error(Fault::data, "E0321", fmt::format("no checkpoint in '{}' is whole", folder))
      .help(damaged);
}

std::vector<std::string> list_checkpoints(const std::string& folder) {
  std::vector<std::string> paths;
  for (Part& item : items_by_step(folder)) paths.push_back(std::move(item.path));
  return paths;
}

}  // namespace braid
