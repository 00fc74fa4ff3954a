#include "tests/bench/peers/fake_etcd_grpc.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/check.h"

namespace ringkv::bench {

FakeEtcd::FakeEtcd() {
  const Status started = server_.Start("127.0.0.1:0", {this});
  RINGKV_CHECK(started.ok(), started.message());
}

FakeEtcd::~FakeEtcd() {
  hold_ = false;
  server_.Stop(Duration::zero());
}

void FakeEtcd::FailWith(const grpc::Status& status) {
  std::lock_guard lock(mutex_);
  failure_ = status;
}

std::map<std::string, int> FakeEtcd::Puts() {
  std::lock_guard lock(mutex_);
  return puts_;
}

std::string FakeEtcd::ValueOf(const std::string& key) {
  std::lock_guard lock(mutex_);
  return values_[key];
}

size_t FakeEtcd::peers() {
  std::lock_guard lock(mutex_);
  return peers_.size();
}

grpc::Status FakeEtcd::Enter(grpc::ServerContext* context) {
  while (hold_ && !context->IsCancelled()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));  // between two looks
  }
  std::lock_guard lock(mutex_);
  peers_.insert(context->peer());
  return failure_;
}

grpc::Status FakeEtcd::Put(grpc::ServerContext* context, const etcdserverpb::PutRequest* request,
                           etcdserverpb::PutResponse* /*response*/) {
  most_in_flight_ = std::max<int>(most_in_flight_, ++in_flight_);
  const grpc::Status entered = Enter(context);
  if (entered.ok()) {
    std::lock_guard lock(mutex_);
    values_[request->key()] = request->value();
    ++puts_[request->key()];
  }
  --in_flight_;
  return entered;
}

grpc::Status FakeEtcd::Range(grpc::ServerContext* context,
                             const etcdserverpb::RangeRequest* request,
                             etcdserverpb::RangeResponse* response) {
  const grpc::Status entered = Enter(context);
  if (!entered.ok()) return entered;
  std::lock_guard lock(mutex_);
  const auto found = values_.find(request->key());
  if (found != values_.end()) {
    etcdserverpb::KeyValue* pair = response->add_kvs();
    pair->set_key(found->first);
    pair->set_value(found->second);
  }
  return grpc::Status::OK;
}

}  // namespace ringkv::bench
