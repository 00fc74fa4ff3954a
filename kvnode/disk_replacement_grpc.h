// Asks the routers whether this node may start over with an empty disk (docs/protocol.md, "Damaged
// disks"). Ask blocks up to the deadline for each router; Cancel ends it, and every later one, from
// any thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "ringkv/v1/disk_replacement.pb.h"

namespace ringkv {

class DiskReplacementGrpc {
 public:
  // `routers`: host:port, at least one.
  DiskReplacementGrpc(std::vector<std::string> routers, Duration deadline);
  ~DiskReplacementGrpc();

  // Ok: it may. Refused: not now, and why. Unavailable: no router answered.
  Status Ask(const v1::MayReplaceDiskRequest& request);
  void Cancel();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ringkv
