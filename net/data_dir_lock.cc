#include "net/data_dir_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

namespace ringkv {
namespace {

constexpr char kLockFile[] = "LOCK.ringkv";

// Who holds the lock, as the lock file says.
std::string Holder(int fd) {
  char buffer[32];
  ssize_t n = ::pread(fd, buffer, sizeof buffer, 0);
  std::string pid;
  for (ssize_t i = 0; i < n && buffer[i] >= '0' && buffer[i] <= '9'; ++i) pid += buffer[i];
  // The holder writes its id just after it takes the lock.
  return pid.empty() ? "another process" : "process " + pid;
}

Status CannotUse(const std::string& directory, const std::string& why) {
  return Status::IoError("cannot use data directory " + directory + ": " + why);
}

Status MakeDirectory(const std::string& directory) {
  if (directory.empty()) return Status::IoError("the data directory has no name");
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error == std::errc::not_a_directory || error == std::errc::file_exists) {
    return CannotUse(
        directory,
        "it, or a part of its path, is not a directory: set `data-dir` to one, or to a "
        "path where one can be made");
  }
  if (error) return CannotUse(directory, "it cannot be made: " + error.message());
  if (!std::filesystem::is_directory(directory, error)) {
    return CannotUse(directory, "it is not a directory");
  }
  return Status::Ok();
}

Status OpenFailure(const std::string& directory, int error) {
  switch (error) {
    case EACCES:
    case EPERM:
      return CannotUse(directory, "no permission to write there");
    case EROFS:
      return CannotUse(directory, "it is on a read-only file system");
    default:
      return CannotUse(directory, std::string(kLockFile) + ": " + std::strerror(error));
  }
}

}  // namespace

Status CheckDataDirUse(const std::string& directory, DataDirUse use) {
  const bool node = use == DataDirUse::kNode;
  std::error_code ignored;
  if (!std::filesystem::exists(directory + (node ? "/metadata" : "/db"), ignored)) {
    return Status::Ok();
  }
  return Status::Refused("data directory " + directory + " is that of a " +
                         (node ? "router" : "node") + ", and this is a " +
                         (node ? "node" : "router") + ": use another `data-dir`");
}

Result<DataDirLock> DataDirLock::Acquire(const std::string& directory) {
  RINGKV_RETURN_IF_ERROR(MakeDirectory(directory));
  std::string path = directory + "/" + kLockFile;
  int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return OpenFailure(directory, errno);
  DataDirLock lock(directory, fd);
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    int error = errno;
    if (error != EWOULDBLOCK) return OpenFailure(directory, error);
    return Status::Refused("data directory " + directory + " is in use by " + Holder(fd) +
                           ": stop that one, or use another `data-dir`");
  }
  std::string pid = std::to_string(::getpid()) + "\n";
  bool written = ::ftruncate(fd, 0) == 0 &&
                 ::pwrite(fd, pid.data(), pid.size(), 0) == static_cast<ssize_t>(pid.size());
  if (!written) return OpenFailure(directory, errno);
  return lock;
}

DataDirLock::DataDirLock(DataDirLock&& other) noexcept
    : directory_(std::move(other.directory_)), fd_(std::exchange(other.fd_, -1)) {}

DataDirLock& DataDirLock::operator=(DataDirLock&& other) noexcept {
  std::swap(directory_, other.directory_);
  std::swap(fd_, other.fd_);
  return *this;
}

DataDirLock::~DataDirLock() {
  if (fd_ >= 0) ::close(fd_);  // the last descriptor of it: the kernel gives the lock back
}

}  // namespace ringkv
