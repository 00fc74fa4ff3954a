// NodeInspection over gRPC: unary calls on a connection of their own kind, some nodes at a time.
//
// Thread-safe, but for Stop and the destructor, which one thread calls. `done` of every question is
// called before Stop returns; questions that come later are answered at once, with errors.
#pragma once

#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <unordered_set>

#include "router/node_inspection.h"

namespace ringkv {

class GrpcNodeInspection final : public NodeInspection {
 public:
  GrpcNodeInspection() = default;
  ~GrpcNodeInspection() override;  // stops
  GrpcNodeInspection(const GrpcNodeInspection&) = delete;
  GrpcNodeInspection& operator=(const GrpcNodeInspection&) = delete;

  void ListSlotSizes(const std::string& cluster_uuid, std::vector<Target> targets,
                     Duration patience,
                     std::function<void(std::vector<NodeSlotSizes>)> done) override;

  // Cancels what is under way and waits for its end. Idempotent.
  void Stop();

 private:
  class Round;

  // False: stopped, the call must not be started.
  bool Begin(grpc::ClientContext* call);
  void End(grpc::ClientContext* call);

  std::mutex mutex_;
  bool stopped_ = false;                           // guarded by mutex_
  std::unordered_set<grpc::ClientContext*> live_;  // guarded by mutex_
  std::condition_variable none_live_;
};

}  // namespace ringkv
