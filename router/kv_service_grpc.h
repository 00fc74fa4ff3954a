// The Kv service: what clients call. A unary call is a batch of one; a Batch stream is handled by
// BatchCall; Scan streams what a ScanRun delivers.
//
// Every call that reaches the router ends with gRPC status OK and says in OpStatus what became of
// it. A call that is not valid, or that comes while the gate is closed, is answered at once and
// reaches no shard. Thread-safe; destroyed after the gRPC server and after the loops have stopped.
#pragma once

#include <grpcpp/grpcpp.h>

#include "ringkv/v1/kv.grpc.pb.h"
#include "router/batch_call_grpc.h"
#include "router/kv_context.h"

namespace ringkv {

// Streams of batches are bytes: BatchCall encodes answers as they come.
using KvServiceBase = v1::Kv::WithCallbackMethod_Get<v1::Kv::WithCallbackMethod_Put<
    v1::Kv::WithCallbackMethod_Delete<v1::Kv::WithCallbackMethod_Increment<
        v1::Kv::WithCallbackMethod_Scan<v1::Kv::WithRawCallbackMethod_Batch<v1::Kv::Service>>>>>>;

class KvService final : public KvServiceBase {
 public:
  explicit KvService(KvContext context)
      : context_(context), untaken_(context.max_untaken_bytes_of_all) {}

  grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* call, const v1::GetRequest* request,
                                v1::GetResponse* response) override;
  grpc::ServerUnaryReactor* Put(grpc::CallbackServerContext* call, const v1::PutRequest* request,
                                v1::PutResponse* response) override;
  grpc::ServerUnaryReactor* Delete(grpc::CallbackServerContext* call,
                                   const v1::DeleteRequest* request,
                                   v1::DeleteResponse* response) override;
  grpc::ServerUnaryReactor* Increment(grpc::CallbackServerContext* call,
                                      const v1::IncrementRequest* request,
                                      v1::IncrementResponse* response) override;
  grpc::ServerWriteReactor<v1::ScanResponse>* Scan(grpc::CallbackServerContext* call,
                                                   const v1::ScanRequest* request) override;
  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Batch(
      grpc::CallbackServerContext* call) override;

  // Ends the streams once what they have in flight is answered. The gate is stopped before.
  void EndStreams() { streams_.EndAll(); }
  size_t open_streams() const { return streams_.count(); }

 private:
  KvContext context_;
  BatchCalls streams_;
  UntakenAnswers untaken_;
};

}  // namespace ringkv
