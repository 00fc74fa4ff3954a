// BatchStream: one Kv.Batch stream to a router, on gRPC's callback API.
//
// Every method from one thread, the owner's; at most one Write at a time, none once OnBroken was
// told. Events come on gRPC's threads and must only hand over: any of OnResults and OnWritten, then
// OnBroken once, and, after the owner has answered that with Release, OnClosed once; then the
// stream no longer exists.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>

#include "ringkv/v1/kv.grpc.pb.h"

namespace ringkv {

class BatchStream final : public grpc::ClientBidiReactor<v1::BatchRequest, v1::BatchResponse> {
 public:
  class Events {
   public:
    virtual ~Events() = default;
    virtual void OnResults(v1::BatchResponse results) = 0;
    virtual void OnWritten() = 0;
    virtual void OnBroken() = 0;
    virtual void OnClosed(std::unique_ptr<BatchStream> self, const grpc::Status& status) = 0;
  };

  // The stream owns itself until OnClosed hands it over. It must not end on a thread of gRPC's:
  // with it may end the channel, and with the last channel those threads, which would wait for
  // themselves.
  static BatchStream* Open(std::shared_ptr<grpc::Channel> channel, std::unique_ptr<Events> events);

  void Write(v1::BatchRequest batch);

  // Makes the stream break soon; the events above follow as always.
  void Cancel() { context_.TryCancel(); }

  // Lets the stream end, once OnBroken was told. The last call on it.
  void Release() { RemoveHold(); }

  ~BatchStream() override = default;

 private:
  BatchStream(std::shared_ptr<grpc::Channel> channel, std::unique_ptr<Events> events);
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::Kv::Stub> stub_;
  const std::unique_ptr<Events> events_;
  grpc::ClientContext context_;
  v1::BatchRequest outgoing_;   // gRPC's between Write and OnWriteDone
  v1::BatchResponse incoming_;  // gRPC's until OnReadDone
};

}  // namespace ringkv
