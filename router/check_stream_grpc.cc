#include "router/check_stream_grpc.h"

#include <utility>

namespace ringkv {

CheckStream::CheckStream(ReplicaChecker& checker) : checker_(checker) {
  link_->stream = this;
  number_ = checker_.Start([link = link_](v1::CheckReplicasEvent event) {
    std::lock_guard lock(link->mutex);
    if (link->stream != nullptr) link->stream->Deliver(std::move(event));
  });
}

// With the link's mutex held, as all that follows.
void CheckStream::Deliver(v1::CheckReplicasEvent event) {
  last_ = event.complete() || event.status().outcome() != v1::OUTCOME_DONE;
  const bool news = last_ || event.findings_size() > 0 || event.uncompared_size() > 0;
  // A client that is slow is told of progress by what comes later.
  if (writing_ && !news) return;
  waiting_.push_back(std::move(event));
  if (!writing_) WriteNext();
}

void CheckStream::WriteNext() {
  if (cancelled_ || (waiting_.empty() && last_)) return FinishOnce();
  if (waiting_.empty()) return;
  written_ = std::move(waiting_.front());
  waiting_.pop_front();
  writing_ = true;
  StartWrite(&written_);
}

void CheckStream::FinishOnce() {
  if (finished_) return;
  finished_ = true;
  Finish(cancelled_ ? grpc::Status(grpc::StatusCode::CANCELLED, "the client went away")
                    : grpc::Status::OK);
}

void CheckStream::OnWriteDone(bool ok) {
  std::lock_guard lock(link_->mutex);
  writing_ = false;
  if (!ok) cancelled_ = true;
  WriteNext();
}

void CheckStream::OnCancel() {
  std::lock_guard lock(link_->mutex);
  cancelled_ = true;
  if (!writing_) FinishOnce();
}

void CheckStream::OnDone() {
  {
    std::lock_guard lock(link_->mutex);
    link_->stream = nullptr;
  }
  checker_.Cancel(number_);
  delete this;
}

}  // namespace ringkv
