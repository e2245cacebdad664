// Files that are whole or absent: what was written replaces the old file in one step, and survives
// a killed process and a full disk.
//
//   make_writable("runs/digits");               // before training starts, not after an hour of it
//   FolderLock lock("runs/digits");             // a second process gets an Error that names us
//   write_file("runs/digits/plan.dot", text);   // the old file, or the new one, never half of it
#pragma once
#include <string>
#include <string_view>

namespace braid {

/// Replaces the file at `path` by `content`: a temporary beside it, fsync, rename, fsync of the
/// folder. What is no regular file (/dev/stdout) is written to as it is. Throws
/// Error(Fault::output, "E0601") that names the path and the system's reason.
void write_file(const std::string& path, std::string_view content);

/// Makes the folder with its parents where missing, and proves by a trial file that it can be
/// written to. Throws Error(Fault::output, "E0602").
void make_writable(const std::string& folder);

/// While it lives no other FolderLock, here or in another process, can hold `folder`. The system
/// frees the lock of a process that was killed. Throws Error(Fault::output, "E0603") when taken.
class FolderLock {
 public:
  explicit FolderLock(const std::string& folder);
  ~FolderLock();
  FolderLock(FolderLock&& other) noexcept;
  FolderLock& operator=(FolderLock&& other) noexcept;

 private:
  void release() noexcept;
  std::string path_;
  int fd_ = -1;
};

}  // namespace braid
