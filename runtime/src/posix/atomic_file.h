// The only way in which this library writes files.
//
//   AtomicFile file("weights.safetensors");
//   file.write(bytes);
//   file.commit();      // without it the destructor leaves the old file as it was
#pragma once
#include <cstddef>
#include <span>
#include <string>

#include "posix/descriptor.h"

namespace braid::posix {

class AtomicFile {
 public:
  explicit AtomicFile(std::string path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);
  /// When it returns the new file is in place and would survive a power cut.
  void commit();

 private:
  [[noreturn]] void fail(int error) const;
  std::string path_;       ///< as the user wrote it: for messages
  std::string target_;     ///< behind symbolic links
  std::string temporary_;  ///< "" = written in place, or already gone
  Descriptor fd_;
};

/// The name of the temporary of `path`: the same each time, so that a killed process leaves at most
/// one, which the next write replaces.
std::string temporary_of(const std::string& path);
/// Removes what killed processes left in `folder`; only for who holds the folder's lock.
void remove_temporaries(const std::string& folder);
/// Makes removals and renames in `folder` durable. Folders of some file systems cannot be synced.
void sync_folder(const std::string& folder);
/// The folder part of a path; "." when there is none.
std::string folder_of(const std::string& path);

}  // namespace braid::posix
