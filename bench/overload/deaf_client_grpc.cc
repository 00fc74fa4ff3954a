#include "bench/overload/deaf_client_grpc.h"

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "bench/path/cases.h"
#include "net/grpc_door.h"
#include "ringkv/v1/kv.grpc.pb.h"

namespace ringkv::bench {

class DeafClient::Stream final
    : public grpc::ClientBidiReactor<v1::BatchRequest, v1::BatchResponse> {
 public:
  explicit Stream(std::shared_ptr<grpc::Channel> channel)
      : channel_(std::move(channel)), stub_(v1::Kv::NewStub(channel_)) {}

  // No read is ever started.
  void Begin(v1::BatchRequest request) {
    request_ = std::move(request);
    stub_->async()->Batch(&context_, this);
    StartWrite(&request_);
    StartCall();
  }

  // False: the stream broke before.
  bool WaitWritten() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return written_ || done_; });
    return written_ && !done_;
  }

  void Cancel() { context_.TryCancel(); }

  void WaitDone() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return done_; });
  }

 private:
  void OnWriteDone(bool ok) override {
    std::lock_guard lock(mutex_);
    written_ = ok;
    changed_.notify_all();
  }
  void OnDone(const grpc::Status&) override {
    std::lock_guard lock(mutex_);
    done_ = true;
    changed_.notify_all();
  }

  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::Kv::Stub> stub_;
  grpc::ClientContext context_;
  v1::BatchRequest request_;

  std::mutex mutex_;
  std::condition_variable changed_;
  bool written_ = false;  // guarded by mutex_
  bool done_ = false;     // guarded by mutex_
};

DeafClient::DeafClient(std::string address) : address_(std::move(address)) {}

DeafClient::~DeafClient() {
  for (auto& stream : streams_) stream->Cancel();
  for (auto& stream : streams_) stream->WaitDone();
}

Status DeafClient::Ask(int streams, int gets, uint64_t first, uint64_t keys) {
  uint64_t next = 0;
  for (int i = 0; i < streams; ++i) {
    ChannelOptions options;
    options.connection = Connection::kOwn;
    auto channel = MakeChannel(address_, options);
    if (!channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(10))) {
      return Status::Unavailable("cannot connect to " + address_);
    }
    v1::BatchRequest request;
    for (int get = 0; get < gets; ++get) {
      v1::Op* op = request.add_ops();
      op->set_id(static_cast<uint64_t>(get));
      op->mutable_get()->set_key(PathKey(first + next++ % keys));
    }
    streams_.push_back(std::make_unique<Stream>(std::move(channel)));
    streams_.back()->Begin(std::move(request));
  }
  for (auto& stream : streams_) {
    if (!stream->WaitWritten()) return Status::Unavailable("a stream broke that asked for values");
  }
  return Status::Ok();
}

}  // namespace ringkv::bench
