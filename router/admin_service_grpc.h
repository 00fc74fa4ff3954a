// The Admin service: what operators ask. Reads only. Thread-safe; borrows the status until the gRPC
// server has stopped.
#pragma once

#include <grpcpp/grpcpp.h>

#include "ringkv/v1/admin.grpc.pb.h"
#include "router/cluster_status.h"

namespace ringkv {

class AdminService final : public v1::Admin::CallbackService {
 public:
  explicit AdminService(ClusterStatus& status) : status_(status) {}

  grpc::ServerUnaryReactor* GetCluster(grpc::CallbackServerContext* call,
                                       const v1::GetClusterRequest* request,
                                       v1::GetClusterResponse* response) override;
  grpc::ServerUnaryReactor* GetRing(grpc::CallbackServerContext* call,
                                    const v1::GetRingRequest* request,
                                    v1::GetRingResponse* response) override;
  grpc::ServerUnaryReactor* Locate(grpc::CallbackServerContext* call,
                                   const v1::LocateRequest* request,
                                   v1::LocateResponse* response) override;

 private:
  ClusterStatus& status_;
};

}  // namespace ringkv
