#include "client/router_link_grpc.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/limits.h"
#include "client/router_channel_grpc.h"

namespace ringkv {
namespace {

constexpr size_t kSmallLane = 0;
constexpr size_t kLargeLane = 1;

// gRPC's callback API does not tell of changes of a connection's state, so it is looked at, in
// steps that grow, and only while calls wait for it.
constexpr Duration kFirstLook = std::chrono::microseconds(500);
constexpr Duration kMaxLook = std::chrono::milliseconds(20);

// Endings of a stream that prove, when no result came before, that no router took a call of it.
bool RefusedWhole(grpc::StatusCode code) {
  return code == grpc::StatusCode::UNIMPLEMENTED || code == grpc::StatusCode::UNAUTHENTICATED ||
         code == grpc::StatusCode::PERMISSION_DENIED;
}

std::string Describe(const std::string& address, const grpc::Status& status) {
  if (status.ok()) return "router " + address + " closed the connection";
  return "router " + address + ": " +
         (status.error_message().empty() ? "the connection was lost" : status.error_message());
}

}  // namespace

// Hands the events of one stream over to the loop.
class RouterLink::StreamEvents final : public BatchStream::Events {
 public:
  StreamEvents(RouterLink& link, size_t lane) : link_(link), lane_(lane) {}

  void OnResults(v1::BatchResponse results) override {
    // std::function must be copyable, so that the message is moved in behind a pointer.
    auto shared = std::make_shared<v1::BatchResponse>(std::move(results));
    Post([shared](RouterLink& link, size_t lane) { link.LaneResults(lane, std::move(*shared)); });
  }
  void OnWritten() override {
    Post([](RouterLink& link, size_t lane) { link.LaneWritten(lane); });
  }
  void OnBroken() override {
    Post([](RouterLink& link, size_t lane) { link.LaneBroken(lane); });
  }
  void OnClosed(std::unique_ptr<BatchStream> self, const grpc::Status& status) override {
    // By hand: a copy of an owner that stays behind on this thread could be the last one.
    Post([raw = self.release(), status](RouterLink& link, size_t lane) {
      const std::unique_ptr<BatchStream> ended(raw);
      link.LaneClosed(lane, status);
    });
  }

 private:
  template <class Event>
  void Post(Event event) {
    const bool posted =
        link_.loop_.Post([&link = link_, lane = lane_, event] { event(link, lane); });
    RINGKV_CHECK(posted, "the loop outlives every stream");
  }

  RouterLink& link_;
  const size_t lane_;
};

RouterLink::RouterLink(size_t index, std::string address, const Clock& clock, EventLoop& loop,
                       ConnectionDriver& driver, Owner& owner)
    : index_(index),
      address_(std::move(address)),
      clock_(clock),
      loop_(loop),
      driver_(driver),
      owner_(owner) {}

size_t RouterLink::open_streams() const {
  return std::count_if(lanes_.begin(), lanes_.end(), [](const Lane& l) { return l.stream; });
}

void RouterLink::Enqueue(uint64_t id, size_t bytes, Duration connect_patience) {
  lanes_[bytes > kLargeValueBytes ? kLargeLane : kSmallLane].queue.push_back(id);
  if (state_ == State::kDown) Connect(connect_patience);
}

void RouterLink::Connect(Duration patience) {
  state_ = State::kConnecting;
  channel_ = MakeRouterChannel(address_);
  const MonoTime now = clock_.Now();
  connect_deadline_ = now + patience;
  look_interval_ = kFirstLook;
  next_look_ = now;
}

MonoTime RouterLink::Pump(MonoTime now) {
  if (state_ == State::kConnecting) {
    const MonoTime due = PumpConnection(now);
    if (state_ != State::kUp) return due;
  }
  if (state_ == State::kUp) {
    Flush(kSmallLane);
    Flush(kLargeLane);
  }
  return kNever;
}

MonoTime RouterLink::PumpConnection(MonoTime now) {
  if (now < next_look_) return next_look_;
  const grpc_connectivity_state state = channel_->GetState(true);
  if (state == GRPC_CHANNEL_READY) {
    state_ = State::kUp;
    last_heard_ = now;
    return kNever;
  }
  if (state == GRPC_CHANNEL_TRANSIENT_FAILURE || state == GRPC_CHANNEL_SHUTDOWN) {
    GoDown(Status::Unavailable("router " + address_ + ": cannot connect"));
    return kNever;
  }
  if (now >= connect_deadline_) {
    GoDown(Status::Unavailable("router " + address_ + ": no answer to a connection"));
    return kNever;
  }
  driver_.Drive(*channel_, state, look_interval_);
  next_look_ = std::min(now + look_interval_, connect_deadline_);
  look_interval_ = std::min(look_interval_ * 2, kMaxLook);
  return next_look_;
}

void RouterLink::Flush(size_t index) {
  Lane& lane = lanes_[index];
  if (lane.queue.empty() || lane.writing || lane.breaking) return;

  v1::BatchRequest batch;
  size_t bytes = 0;
  while (!lane.queue.empty() && batch.ops_size() < kMaxBatchOps) {
    const uint64_t id = lane.queue.front();
    const v1::Op* op = owner_.BeginSend(id);
    lane.queue.pop_front();
    if (op == nullptr) continue;
    *batch.add_ops() = *op;  // a copy: the call may have to be sent again
    lane.sent.insert(id);
    bytes += op->ByteSizeLong();
    if (bytes >= kBatchBytes - kLargeValueBytes) break;  // the next might not fit
  }
  if (batch.ops_size() == 0) return;
  if (lane.stream == nullptr) {
    lane.answered = false;
    lane.channel = channel_;
    lane.stream = BatchStream::Open(channel_, std::make_unique<StreamEvents>(*this, index));
  }
  lane.writing = true;
  lane.stream->Write(std::move(batch));
}

void RouterLink::GoDown(const Status& why) {
  state_ = State::kDown;
  std::vector<uint64_t> unsent;
  for (Lane& lane : lanes_) {
    unsent.insert(unsent.end(), lane.queue.begin(), lane.queue.end());
    lane.queue.clear();
  }
  owner_.OnUnsent(*this, std::move(unsent), why);
}

void RouterLink::Cancel() {
  for (Lane& lane : lanes_) {
    if (lane.stream != nullptr && !lane.breaking) lane.stream->Cancel();
  }
  if (state_ != State::kDown) GoDown(Status::Unavailable("the client was closed"));
}

void RouterLink::LaneResults(size_t index, v1::BatchResponse results) {
  Lane& lane = lanes_[index];
  last_heard_ = clock_.Now();
  lane.answered = true;
  for (const v1::OpResult& result : results.results()) lane.sent.erase(result.id());
  owner_.OnResults(*this, std::move(results));
}

void RouterLink::LaneWritten(size_t index) { lanes_[index].writing = false; }

void RouterLink::LaneBroken(size_t index) {
  lanes_[index].breaking = true;
  lanes_[index].stream->Release();
}

void RouterLink::LaneClosed(size_t index, const grpc::Status& status) {
  Lane& lane = lanes_[index];
  std::vector<uint64_t> lost(lane.sent.begin(), lane.sent.end());
  // Oldest first, so that what is sent again keeps its order.
  std::sort(lost.begin(), lost.end());
  const bool untouched = RefusedWhole(status.error_code()) && !lane.answered;
  lane.sent.clear();
  lane.stream = nullptr;
  const bool current =
      lane.channel == channel_;  // the other lane may have broken, and led on, first
  lane.channel = nullptr;
  lane.writing = false;
  lane.breaking = false;

  const std::string what = Describe(address_, status);
  const bool stranger = status.error_code() == grpc::StatusCode::UNIMPLEMENTED;
  Status refused = stranger ? NotARouter(address_) : Status::Refused(what);
  if (current && state_ != State::kDown) GoDown(Status::Unavailable(what));
  owner_.OnLost(*this, std::move(lost), untouched ? std::move(refused) : Status::Unavailable(what),
                untouched);
}

}  // namespace ringkv
