// The node's answers to operators' questions: sizes of slots, and what its copies hold. One
// question at a time, on a thread of its own, so that no worker and no stream waits for it; a few
// may wait, more are refused.
//
// Life: make, Serve once, Stop. Thread-safety: gRPC's threads call the methods; Serve and Stop
// from any thread. The store outlives Stop, the service the gRPC server's Stop.
#pragma once

#include <grpcpp/grpcpp.h>

#include <mutex>
#include <string>

#include "base/event_loop.h"
#include "base/ids.h"
#include "kvnode/store.h"
#include "ringkv/v1/inspect.grpc.pb.h"

namespace ringkv {

class InspectServiceGrpc final : public v1::Inspect::CallbackService {
 public:
  InspectServiceGrpc(const Clock& clock, NodeId node);
  ~InspectServiceGrpc() override;  // stops

  void Serve(Store& store, const std::string& cluster_uuid);

  // Answers what waits; what comes later is told that the node is stopping. Idempotent.
  void Stop();

  grpc::ServerUnaryReactor* ListSlotSizes(grpc::CallbackServerContext* call,
                                          const v1::ListSlotSizesRequest* request,
                                          v1::ListSlotSizesReply* reply) override;
  grpc::ServerUnaryReactor* DigestRanges(grpc::CallbackServerContext* call,
                                         const v1::DigestRangesRequest* request,
                                         v1::DigestRangesReply* reply) override;
  grpc::ServerUnaryReactor* ListRecords(grpc::CallbackServerContext* call,
                                        const v1::ListRecordsRequest* request,
                                        v1::ListRecordsReply* reply) override;

 private:
  // Has `answer` make the reply of the store, in its turn.
  template <class Request, class Reply>
  grpc::ServerUnaryReactor* Queue(grpc::CallbackServerContext* call, const Request* request,
                                  Reply* reply, Result<Reply> (*answer)(Store&, const Request&));
  // The store, if the request is meant for this node.
  Result<Store*> StoreFor(const std::string& node, const std::string& cluster_uuid);

  const NodeId node_;
  std::mutex mutex_;
  Store* store_ = nullptr;    // guarded by mutex_; null: does not serve yet
  std::string cluster_uuid_;  // guarded by mutex_
  EventLoop loop_;            // last: its thread uses the rest
};

}  // namespace ringkv
