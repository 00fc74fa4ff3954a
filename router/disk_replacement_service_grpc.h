// The DiskReplacement service: nodes with damaged disks ask here. Thread-safe; borrows `decide`
// until the gRPC server has stopped.
#pragma once

#include <grpcpp/grpcpp.h>

#include "ringkv/v1/disk_replacement.grpc.pb.h"
#include "router/disk_replacement.h"

namespace ringkv {

class DiskReplacementService final : public v1::DiskReplacement::CallbackService {
 public:
  explicit DiskReplacementService(DiskReplacement& decide) : decide_(decide) {}

  grpc::ServerUnaryReactor* MayReplace(grpc::CallbackServerContext* call,
                                       const v1::MayReplaceDiskRequest* request,
                                       v1::MayReplaceDiskReply* reply) override;

 private:
  DiskReplacement& decide_;
};

}  // namespace ringkv
