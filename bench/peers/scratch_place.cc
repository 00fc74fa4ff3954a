#include "bench/peers/scratch_place.h"

#include <cstdlib>
#include <filesystem>
#include <utility>

namespace ringkv::bench {

Result<ScratchPlace> ScratchPlace::Make() {
  std::string name = "/tmp/ringkv-peers-XXXXXX";  // mkdtemp fills in the last six
  if (::mkdtemp(name.data()) == nullptr) return Status::IoError("cannot make a directory in /tmp");
  ScratchPlace made(name);
  std::error_code failed;
  for (const std::string& part : {made.data(), made.logs()}) {
    std::filesystem::create_directory(part, failed);
    if (failed) return Status::IoError("cannot make " + part + ": " + failed.message());
  }
  return made;
}

ScratchPlace::ScratchPlace(ScratchPlace&& other) noexcept
    : path_(std::exchange(other.path_, {})), keep_logs_(other.keep_logs_) {}

ScratchPlace::~ScratchPlace() {
  if (path_.empty()) return;
  std::error_code ignored;
  std::filesystem::remove_all(keep_logs_ ? data() : path_, ignored);
}

}  // namespace ringkv::bench
