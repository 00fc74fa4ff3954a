#include "kvnode/disk_directory.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <system_error>

#include "base/logging.h"

namespace ringkv {
namespace {

std::string DatabasePath(const std::string& path) { return path + "/db"; }

std::string WithoutEndingSlashes(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

// A name that a directory got survives a loss of power only once its parent is synced.
Status SyncParent(const std::string& path) {
  std::string parent = std::filesystem::path(path).parent_path().string();
  if (parent.empty()) parent = ".";
  int fd = ::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  bool synced = fd >= 0 && ::fsync(fd) == 0;
  int error = errno;
  if (fd >= 0) ::close(fd);
  if (synced) return Status::Ok();
  return Status::IoError("cannot sync " + parent + ": " + std::generic_category().message(error));
}

Status Rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) {
    return Status::IoError("cannot rename " + from + " to " + to + ": " +
                           std::generic_category().message(errno));
  }
  return SyncParent(from);
}

}  // namespace

DiskDirectory::DiskDirectory(std::string path, const RocksOptions& options, const Clock& clock)
    : path_(WithoutEndingSlashes(std::move(path))), options_(options), clock_(clock) {}

Result<std::unique_ptr<DiskDirectory>> DiskDirectory::Open(std::string path,
                                                           const RocksOptions& options,
                                                           const Clock& clock) {
  std::unique_ptr<DiskDirectory> disk(new DiskDirectory(std::move(path), options, clock));
  RINGKV_RETURN_IF_ERROR(CheckDataDirUse(disk->path_, DataDirUse::kNode));
  RINGKV_RETURN_IF_ERROR(disk->Lock());
  RINGKV_RETURN_IF_ERROR(disk->OpenStore());
  return disk;
}

Status DiskDirectory::Lock() {
  auto lock = DataDirLock::Acquire(path_);
  if (!lock.ok()) return lock.status();
  lock_ = std::move(lock).value();
  return Status::Ok();
}

Status DiskDirectory::OpenStore() {
  auto store = RocksStore::Open(DatabasePath(path_), options_);
  if (!store.ok()) return store.status();
  if ((*store)->recovery().log_damaged) {
    RINGKV_LOG(kError, "disk",
               "the end of the log in {} was damaged and is lost: {}; what was synced before is "
               "there, and no instance votes until the others have made it whole again",
               path_, (*store)->recovery().detail);
  }
  std::lock_guard guard(store_mutex_);
  store_ = std::move(store).value();
  return Status::Ok();
}

std::string DiskDirectory::AsideName(const std::string& path, Boot boot) const {
  const auto seconds = static_cast<std::time_t>(clock_.WallMillis() / 1000);
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  char time[32];
  std::strftime(time, sizeof time, "%Y%m%dT%H%M%SZ", &utc);
  const std::string name = path + ".aside-" + time + "-boot" + std::to_string(boot.value());
  std::string free = name;
  std::error_code ignored;
  for (int i = 2; std::filesystem::exists(free, ignored); ++i) {
    free = name + "-" + std::to_string(i);
  }
  return free;
}

Status DiskDirectory::MoveAside(Boot boot, std::string* where) {
  // What cannot be written any more is no reason to keep the disk.
  if (Status closed = Close(); !closed.ok()) {
    RINGKV_LOG(kWarning, "disk", "closing {}: {}", path_, closed.message());
  }
  *where = AsideName(path_, boot);
  if (Status moved = Rename(path_, *where); moved.ok()) {
    // The lock went with the old directory.
    RINGKV_RETURN_IF_ERROR(Lock());
  } else {
    RINGKV_LOG(kInfo, "disk", "{}; renames what is in it instead", moved.message());
    *where = AsideName(DatabasePath(path_), boot);
    RINGKV_RETURN_IF_ERROR(Rename(DatabasePath(path_), *where));
  }
  return OpenStore();
}

DiskDirectory::Report DiskDirectory::MakeReport() {
  std::lock_guard lock(store_mutex_);
  if (store_ == nullptr) return {};
  return {store_->Health(), store_->Damage(), store_->Stats(), store_->Tickers()};
}

Status DiskDirectory::Close() {
  std::lock_guard lock(store_mutex_);
  if (store_ == nullptr) return Status::Ok();
  Status closed = store_->Close();
  store_.reset();
  return closed;
}

}  // namespace ringkv
