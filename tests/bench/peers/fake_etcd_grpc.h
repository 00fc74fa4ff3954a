// FakeEtcd: a member of etcd, by the messages that the benchmark knows, as a real gRPC server over
// a map in memory. Thread-safe.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <string>

#include <grpcpp/grpcpp.h>

#include "etcd_kv.grpc.pb.h"
#include "net/grpc_door.h"

namespace ringkv::bench {

class FakeEtcd final : public etcdserverpb::KV::Service {
 public:
  FakeEtcd();
  ~FakeEtcd() override;

  const std::string& address() const { return server_.address(); }
  void FailWith(const grpc::Status& status);  // whatever comes from now on
  void HoldAnswers(bool hold) { hold_ = hold; }

  std::map<std::string, int> Puts();  // how often, by key
  std::string ValueOf(const std::string& key);
  size_t peers();  // connections that calls came by
  int most_in_flight() const { return most_in_flight_; }

 private:
  grpc::Status Put(grpc::ServerContext* context, const etcdserverpb::PutRequest* request,
                   etcdserverpb::PutResponse* response) override;
  grpc::Status Range(grpc::ServerContext* context, const etcdserverpb::RangeRequest* request,
                     etcdserverpb::RangeResponse* response) override;
  // What each call does first.
  grpc::Status Enter(grpc::ServerContext* context);

  std::mutex mutex_;
  std::map<std::string, std::string> values_;  // guarded by mutex_
  std::map<std::string, int> puts_;            // guarded by mutex_
  std::set<std::string> peers_;                // guarded by mutex_
  grpc::Status failure_;                       // guarded by mutex_
  std::atomic<bool> hold_{false};
  std::atomic<int> in_flight_{0};
  std::atomic<int> most_in_flight_{0};
  GrpcServer server_;
};

}  // namespace ringkv::bench
