// ScratchPlace: a directory in /tmp for the data and the logs of one system. It goes with the
// object, but for the logs where they are to be kept. Thread-compatible.
#pragma once

#include <string>

#include "base/status.h"

namespace ringkv::bench {

class ScratchPlace {
 public:
  static Result<ScratchPlace> Make();
  ScratchPlace(ScratchPlace&& other) noexcept;
  ScratchPlace& operator=(ScratchPlace&&) = delete;
  ~ScratchPlace();

  std::string data() const { return path_ + "/data"; }
  std::string logs() const { return path_ + "/logs"; }

  void KeepLogs() { keep_logs_ = true; }

 private:
  explicit ScratchPlace(std::string path) : path_(std::move(path)) {}

  std::string path_;  // empty: moved away
  bool keep_logs_ = false;
};

}  // namespace ringkv::bench
