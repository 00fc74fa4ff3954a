// Call: one call of the client on its way, from the door of the library to its callback. Made by
// Client, then owned and touched by the dispatcher's thread alone.
#pragma once

#include <cstdint>
#include <functional>

#include "base/clock.h"
#include "base/status.h"
#include "base/timers.h"
#include "ringkv/v1/kv.pb.h"

namespace ringkv {

// How a call ended: the status decides; `result` holds the router's last answer, if there was one.
struct CallEnd {
  Status status;
  v1::OpResult result;
};

struct Call {
  v1::Op op;  // its id is given by the dispatcher, for each attempt anew
  bool read = false;
  bool retry_unknown = false;
  Duration timeout{0};  // as the caller gave it
  MonoTime deadline;
  size_t bytes = 0;  // what it counts for in the budget
  std::function<void(CallEnd)> done;

  // Of the dispatcher.
  enum class Place {
    kWaiting,  // for a router that can be reached
    kQueued,   // at a link, not sent
    kSent,
    kBackoff,
  };
  Place place = Place::kWaiting;
  size_t router = 0;  // of kQueued and kSent
  MonoTime sent_at;
  int attempts = 0;            // sent so far
  size_t detours = 0;          // how many routers after the current one it is to try
  bool maybe_applied = false;  // a write of which an earlier attempt has an unknown end
  Status last_refusal;         // of the last attempt that was not applied; ok: none
  Timers::Id deadline_timer = 0;
};

}  // namespace ringkv
