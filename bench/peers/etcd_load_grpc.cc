#include "bench/peers/etcd_load_grpc.h"

#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <utility>

#include "etcd_kv.grpc.pb.h"
#include "net/grpc_door.h"

namespace ringkv::bench {
namespace {

using etcdserverpb::KV;

std::shared_ptr<grpc::Channel> OwnChannel(const std::string& member) {
  ChannelOptions options;
  options.connection = ringkv::Connection::kOwn;
  return MakeChannel(member, options);
}

void SetDeadline(grpc::ClientContext* context, Duration after) {
  context->set_deadline(std::chrono::system_clock::now() +
                        std::chrono::duration_cast<std::chrono::system_clock::duration>(after));
}

}  // namespace

// One channel. Each of its calls is one of the operations in flight, and after it the next one.
class EtcdLoad::Connection final : public LoadClient {
 public:
  Connection(EtcdLoad& load, const std::string& member, uint64_t seed)
      : load_(load), member_(member), channel_(OwnChannel(member)), stub_(KV::NewStub(channel_)) {
    for (int i = 0; i < load.shape_.in_flight; ++i) {
      calls_.push_back(std::make_unique<Call>(seed << 32 | static_cast<uint64_t>(i)));
    }
  }

  Status Connect() override {
    const auto deadline = std::chrono::system_clock::now() + std::chrono::seconds(10);
    if (channel_->WaitForConnected(deadline)) return Status::Ok();
    return Status::Unavailable("cannot connect to " + member_);
  }

  void Begin() override {
    {
      std::lock_guard lock(mutex_);
      running_ = calls_.size();
    }
    for (auto& call : calls_) Next(*call);
  }

  void Finish() override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return running_ == 0; });
  }

 private:
  struct Call {
    explicit Call(uint64_t seed) : random(seed) {}
    Random random;
    std::unique_ptr<grpc::ClientContext> context;  // of one call only
    bool read = false;
    MonoTime start;
    etcdserverpb::PutRequest put;
    etcdserverpb::PutResponse put_done;
    etcdserverpb::RangeRequest range;
    etcdserverpb::RangeResponse range_done;
  };

  // Without mutex_: the call may end on this thread.
  void Next(Call& call) {
    const auto operation = load_.operations_.Next(call.random);
    if (!operation) return Over();
    call.context = std::make_unique<grpc::ClientContext>();
    SetDeadline(call.context.get(), load_.patience_);
    call.read = operation->read;
    call.start = clock_.Now();
    const auto done = [this, &call](const grpc::Status& status) { OnDone(call, status); };
    if (operation->read) {
      call.range.set_key(PathKey(operation->key));
      stub_->async()->Range(call.context.get(), &call.range, &call.range_done, done);
    } else {
      call.put.set_key(PathKey(operation->key));
      call.put.set_value(operation->value.data(), operation->value.size());
      stub_->async()->Put(call.context.get(), &call.put, &call.put_done, done);
    }
  }

  void OnDone(Call& call, const grpc::Status& status) {
    const Duration after = clock_.Now() - call.start;
    {
      std::lock_guard lock(mutex_);
      if (!status.ok()) {
        figures_.Failed(1, status.error_message());
      } else if (call.read && call.range_done.kvs_size() == 0) {
        figures_.Failed(1, "the key is not there");
      } else {
        figures_.Succeeded(after);
      }
    }
    if (status.ok()) {
      Next(call);
    } else {
      Over();
    }
  }

  void Over() {
    std::lock_guard lock(mutex_);
    if (--running_ == 0) changed_.notify_all();
  }

  EtcdLoad& load_;
  const std::string member_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<KV::Stub> stub_;
  const RealClock clock_;
  std::vector<std::unique_ptr<Call>> calls_;

  std::condition_variable changed_;
  size_t running_ = 0;  // guarded by mutex_: calls that will go on
};

EtcdLoad::EtcdLoad(std::vector<std::string> members, LoadShape shape, OpMix mix, KeySpace space,
                   const std::atomic<bool>* interrupted, Duration patience)
    : ClientsLoad(std::move(mix), space, interrupted),
      members_(std::move(members)),
      shape_(shape),
      patience_(patience) {}

EtcdLoad::~EtcdLoad() { Stop(); }

std::vector<std::unique_ptr<LoadClient>> EtcdLoad::MakeClients() {
  std::vector<std::unique_ptr<LoadClient>> clients;
  for (size_t i = 0; i < static_cast<size_t>(shape_.connections); ++i) {
    clients.push_back(std::make_unique<Connection>(*this, members_[i % members_.size()], i + 1));
  }
  return clients;
}

Status AskEtcd(const std::string& member) {
  const auto stub = KV::NewStub(OwnChannel(member));
  grpc::ClientContext context;
  SetDeadline(&context, std::chrono::seconds(2));
  etcdserverpb::RangeRequest request;
  request.set_key(PathKey(0));
  etcdserverpb::RangeResponse response;
  const grpc::Status status = stub->Range(&context, request, &response);
  if (status.ok()) return Status::Ok();
  return Status::Unavailable(member + ": " + status.error_message());
}

}  // namespace ringkv::bench
