#include "client/batch_stream_grpc.h"

#include <utility>

namespace ringkv {

BatchStream* BatchStream::Open(std::shared_ptr<grpc::Channel> channel,
                               std::unique_ptr<Events> events) {
  auto* stream = new BatchStream(std::move(channel), std::move(events));  // until OnDone
  stream->stub_->async()->Batch(&stream->context_, stream);
  stream->AddHold();  // the owner's, until Release: writes may start outside of reactions
  stream->StartRead(&stream->incoming_);
  stream->StartCall();
  return stream;
}

BatchStream::BatchStream(std::shared_ptr<grpc::Channel> channel, std::unique_ptr<Events> events)
    : channel_(std::move(channel)), stub_(v1::Kv::NewStub(channel_)), events_(std::move(events)) {}

void BatchStream::Write(v1::BatchRequest batch) {
  outgoing_ = std::move(batch);
  StartWrite(&outgoing_);
}

void BatchStream::OnReadDone(bool ok) {
  if (!ok) {
    events_->OnBroken();
    return;
  }
  events_->OnResults(std::exchange(incoming_, v1::BatchResponse()));
  StartRead(&incoming_);
}

void BatchStream::OnWriteDone(bool ok) {
  // A write that fails is told by the read that fails with it.
  if (ok) events_->OnWritten();
}

void BatchStream::OnDone(const grpc::Status& status) {
  events_->OnClosed(std::unique_ptr<BatchStream>(this), status);
}

}  // namespace ringkv
