// The node's data path on the wire: Replica.Exchange, one reactor for each stream.
//
// A stream is read on while its operations wait for the store, up to a bound in bytes and batches;
// then HTTP/2 holds the peer back. Replies that come while a write is under way leave together in
// the next, up to kBatchBytes (one larger reply travels alone).
//
// Lifetimes: a stream object lives until gRPC is done with it *and* the last batch that it handed
// to the core has been answered; what is answered after the peer has gone is dropped. A stream
// whose peer has sent everything ends once all is answered. Thread-safety: gRPC's threads call
// Exchange; CloseStreams from any thread. The core outlives the service, and the service the
// server's Stop; its destructor waits until gRPC has let go of every stream.
#pragma once

#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "kvnode/node_core.h"
#include "ringkv/v1/replica.grpc.pb.h"

namespace ringkv {

struct StreamLimits {
  size_t waiting_bytes = 32 * 1024 * 1024;  // of batches that are not answered; at least one goes
  size_t waiting_batches = 256;
  size_t unsent_bytes = 16 * 1024 * 1024;     // of replies; beyond, nothing more is read
  size_t congested_bytes = 64 * 1024 * 1024;  // of replies; beyond, operations are refused
};

class ReplicaServiceGrpc final
    : public v1::Replica::WithRawCallbackMethod_Exchange<v1::Replica::Service> {
 public:
  explicit ReplicaServiceGrpc(NodeCore& core, StreamLimits limits = {});
  ~ReplicaServiceGrpc() override;

  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Exchange(
      grpc::CallbackServerContext* context) override;

  // Ends every stream, and those that are opened later, once what it has asked for is answered.
  void CloseStreams();

  size_t open_streams() const;

 private:
  class Stream;
  void Forget(Stream* stream);

  NodeCore& core_;
  const StreamLimits limits_;

  mutable std::mutex mutex_;
  bool closing_ = false;                                        // guarded by mutex_
  std::unordered_map<Stream*, std::weak_ptr<Stream>> streams_;  // guarded by mutex_
  std::condition_variable all_forgotten_;
};

}  // namespace ringkv
