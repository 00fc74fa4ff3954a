// Calls that block, one at a time and each within a deadline, and that another thread may end: the
// one under way and every later one. Run from one thread, Cancel from any.
#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <functional>
#include <mutex>

#include "base/clock.h"

namespace ringkv {

class CancellableCall {
 public:
  explicit CancellableCall(Duration deadline) : deadline_(deadline) {}

  grpc::Status Run(const std::function<grpc::Status(grpc::ClientContext*)>& call) {
    grpc::ClientContext context;
    // gRPC takes the deadline by the wall clock.
    context.set_deadline(
        std::chrono::system_clock::now() +
        std::chrono::duration_cast<std::chrono::system_clock::duration>(deadline_));
    {
      std::lock_guard lock(mutex_);
      if (cancelled_) return {grpc::StatusCode::CANCELLED, "the node is stopping"};
      running_ = &context;
    }
    grpc::Status status = call(&context);
    std::lock_guard lock(mutex_);
    running_ = nullptr;
    return status;
  }

  void Cancel() {
    std::lock_guard lock(mutex_);
    cancelled_ = true;
    if (running_ != nullptr) running_->TryCancel();
  }

 private:
  const Duration deadline_;
  std::mutex mutex_;
  grpc::ClientContext* running_ = nullptr;  // guarded by mutex_
  bool cancelled_ = false;                  // guarded by mutex_
};

}  // namespace ringkv
