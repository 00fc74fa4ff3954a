// NodeInspection over gRPC: unary calls on a connection of their own kind, some nodes at a time.
//
// Thread-safe, but for Stop and the destructor, which one thread calls. `done` of every question is
// called before Stop returns; questions that come later are answered at once, with errors.
#pragma once

#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <unordered_set>

#include "ringkv/v1/inspect.grpc.pb.h"
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
  void DigestRanges(const Target& target, v1::DigestRangesRequest request, Duration patience,
                    std::function<void(Result<v1::DigestRangesReply>)> done) override;
  void ListRecords(const Target& target, v1::ListRecordsRequest request, Duration patience,
                   std::function<void(Result<v1::ListRecordsReply>)> done) override;

  // Cancels what is under way and waits for its end. Idempotent.
  void Stop();

 private:
  class Round;
  template <class Request, class Reply>
  using Method = void (v1::Inspect::Stub::async_interface::*)(grpc::ClientContext*, const Request*,
                                                              Reply*,
                                                              std::function<void(grpc::Status)>);

  template <class Request, class Reply>
  void AskOne(const Target& target, Request request, Duration patience,
              Method<Request, Reply> method, std::function<void(Result<Reply>)> done);
  std::shared_ptr<v1::Inspect::Stub> StubFor(const std::string& address);

  // False: stopped, the call must not be started.
  bool Begin(grpc::ClientContext* call);
  void End(grpc::ClientContext* call);

  std::mutex mutex_;
  bool stopped_ = false;                           // guarded by mutex_
  std::unordered_set<grpc::ClientContext*> live_;  // guarded by mutex_
  std::condition_variable none_live_;
  // Connections that are kept for the next question; guarded by mutex_.
  std::map<std::string, std::shared_ptr<v1::Inspect::Stub>> stubs_;
};

}  // namespace ringkv
