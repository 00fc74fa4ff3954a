// Bytes that are no message, sent on a stream: how the server ends it.
#pragma once

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <future>
#include <memory>
#include <string>

namespace ringkv {

class RawStream final : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  // `method`: "/package.Service/Method". Blocks until the server has ended the stream, or for 10 s.
  static grpc::Status EndOf(const std::shared_ptr<grpc::Channel>& channel,
                            const std::string& method, const std::string& bytes) {
    RawStream stream(channel, method, bytes);
    return stream.ended_.get_future().get();
  }

 private:
  RawStream(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
            const std::string& bytes)
      : stub_(channel) {
    const grpc::Slice slice(bytes);
    sent_ = grpc::ByteBuffer(&slice, 1);
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    stub_.PrepareBidiStreamingCall(&context_, method, {}, this);
    StartRead(&received_);
    StartWrite(&sent_);
    StartCall();
  }

  void OnReadDone(bool ok) override {
    if (ok) StartRead(&received_);
  }
  void OnDone(const grpc::Status& status) override { ended_.set_value(status); }

  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  grpc::ByteBuffer sent_;
  grpc::ByteBuffer received_;
  std::promise<grpc::Status> ended_;
};

}  // namespace ringkv
