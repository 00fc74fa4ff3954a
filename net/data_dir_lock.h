// One process a data directory. Creates the directory (and its parents) and holds an exclusive lock
// on its file LOCK.ringkv, in which it writes its process id, for as long as the object lives. The
// kernel gives the lock back when the process dies, however it dies; the file stays.
// Movable value; thread-compatible. Advisory: keeps ringkv out, not other programs.
#pragma once

#include <string>

#include "base/status.h"

namespace ringkv {

// Who keeps what in a data directory: a node `db`, a router `metadata`.
enum class DataDirUse { kNode, kRouter };

// Refused: the directory is the other's. Changes nothing.
Status CheckDataDirUse(const std::string& directory, DataDirUse use);

class DataDirLock {
 public:
  // Refused: another process holds it (the message names its pid). IoError: the directory cannot be
  // made or written to, with path and reason (not a directory, no permission, read-only, …).
  static Result<DataDirLock> Acquire(const std::string& directory);

  DataDirLock(DataDirLock&& other) noexcept;
  DataDirLock& operator=(DataDirLock&& other) noexcept;
  ~DataDirLock();  // gives the lock back

  const std::string& directory() const { return directory_; }

 private:
  DataDirLock(std::string directory, int fd) : directory_(std::move(directory)), fd_(fd) {}

  std::string directory_;
  int fd_ = -1;
};

}  // namespace ringkv
