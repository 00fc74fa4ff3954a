// The stream of one `admin check`: writes the check's events as the client takes them, the last one
// and then the end. A client that goes away ends the check. Owns itself.
#pragma once

#include <grpcpp/grpcpp.h>

#include <deque>
#include <memory>
#include <mutex>

#include "ringkv/v1/admin.grpc.pb.h"
#include "router/replica_checker.h"

namespace ringkv {

class CheckStream final : public grpc::ServerWriteReactor<v1::CheckReplicasEvent> {
 public:
  explicit CheckStream(ReplicaChecker& checker);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  // Outlives the stream with the check's callback.
  struct Link {
    std::mutex mutex;
    CheckStream* stream = nullptr;  // guarded by mutex
  };

  void Deliver(v1::CheckReplicasEvent event);
  void WriteNext();
  void FinishOnce();

  ReplicaChecker& checker_;
  const std::shared_ptr<Link> link_ = std::make_shared<Link>();
  uint64_t number_ = 0;
  // All guarded by link_->mutex.
  std::deque<v1::CheckReplicasEvent> waiting_;
  v1::CheckReplicasEvent written_;
  bool writing_ = false;
  bool last_ = false;  // the last event was delivered
  bool cancelled_ = false;
  bool finished_ = false;
};

}  // namespace ringkv
