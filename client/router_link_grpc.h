// RouterLink: the client's way to one router: a connection and two lanes, each one Batch stream,
// for small calls and for large ones.
//
// Calls queue at a link until it is connected and the lane's last batch is written; what has
// gathered by then leaves together, at most kMaxBatchOps calls or kBatchBytes. A link never tries
// again by itself: when the connection cannot be made or a lane breaks, every call is handed back,
// told apart by whether it was sent.
//
// Every method runs on the owner's loop, and so does every call of the owner's; events of gRPC are
// posted there. The owner keeps the link alive until `open_streams()` is 0.
#pragma once

#include <grpcpp/grpcpp.h>

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/status.h"
#include "client/batch_stream_grpc.h"
#include "client/connection_driver_grpc.h"
#include "ringkv/v1/kv.pb.h"

namespace ringkv {

inline constexpr int kMaxBatchOps = 4096;

class RouterLink {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;

    // The call is about to leave: its message as it is now, or null if nobody waits for it.
    virtual const v1::Op* BeginSend(uint64_t id) = 0;

    virtual void OnResults(RouterLink& link, v1::BatchResponse results) = 0;

    // The link is down, and these did not leave the process.
    virtual void OnUnsent(RouterLink& link, std::vector<uint64_t> ids, const Status& why) = 0;

    // These were sent, and no answer will come. `untouched`: nor were they taken by a router.
    virtual void OnLost(RouterLink& link, std::vector<uint64_t> ids, const Status& why,
                        bool untouched) = 0;
  };

  RouterLink(size_t index, std::string address, const Clock& clock, EventLoop& loop,
             ConnectionDriver& driver, Owner& owner);
  RouterLink(const RouterLink&) = delete;
  RouterLink& operator=(const RouterLink&) = delete;

  size_t index() const { return index_; }
  const std::string& address() const { return address_; }
  size_t open_streams() const;
  MonoTime last_heard() const { return last_heard_; }

  // Queues a call of `bytes`; connects if need be, giving up after `connect_patience`.
  void Enqueue(uint64_t id, size_t bytes, Duration connect_patience);

  // Sends what can be sent and looks after a connection in the making. When it wants to be called
  // again at the latest; kNever: on the next event.
  MonoTime Pump(MonoTime now);

  // Breaks the streams; what was queued or sent is handed back.
  void Cancel();

 private:
  enum class State { kDown, kConnecting, kUp };

  struct Lane {
    std::deque<uint64_t> queue;              // to be sent, in order
    std::unordered_set<uint64_t> sent;       // on `stream`, not answered
    BatchStream* stream = nullptr;           // owns itself; null: none
    std::shared_ptr<grpc::Channel> channel;  // of `stream`
    bool writing = false;
    bool breaking = false;  // OnBroken was told, OnClosed was not
    bool answered = false;  // some result came on `stream`
  };

  class StreamEvents;

  void Connect(Duration patience);
  MonoTime PumpConnection(MonoTime now);
  void Flush(size_t lane);
  void GoDown(const Status& why);

  void LaneResults(size_t lane, v1::BatchResponse results);
  void LaneWritten(size_t lane);
  void LaneBroken(size_t lane);
  void LaneClosed(size_t lane, const grpc::Status& status);

  const size_t index_;
  const std::string address_;
  const Clock& clock_;
  EventLoop& loop_;
  ConnectionDriver& driver_;
  Owner& owner_;

  State state_ = State::kDown;
  std::shared_ptr<grpc::Channel> channel_;
  MonoTime connect_deadline_;
  MonoTime next_look_;  // at the state of the connection
  Duration look_interval_{0};
  MonoTime last_heard_{0};
  std::array<Lane, 2> lanes_;  // small calls, large calls
};

}  // namespace ringkv
