// A walk over the slots of a cluster that yields every live key with a prefix, in pages (R12): many
// slots are asked at a time, so that requests to nodes travel together, and their entries are given
// out slot after slot, so that a cursor is one place. Pure: time is handed in, requests are handed
// out.
//
// Guarantees
//  1. What `Take` gave, with its cursor, followed by a walk from that cursor, is the whole: nothing
//     twice, nothing left out that lives throughout.
//  2. Memory: about kScanBufferBytes, or one page of one slot if that is larger.
//  3. A slot that cannot be read now is asked again until nothing has come for `idle_limit`; then
//  the
//     walk fails, with a cursor from which it can be taken up.
//
// A prefix with a complete hash tag names one slot, and only that one is asked.
//
// Driven by one thread at a time:
//   loop { send all of Next(now); wait for pages (OnPage) or NextDue; Take }  until ended().
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/status.h"
#include "ringkv/v1/kv.pb.h"
#include "router/shard.h"

namespace ringkv {

inline constexpr size_t kScanParallelSlots = 64;
inline constexpr size_t kScanBufferBytes = 16u << 20;
inline constexpr uint32_t kScanPageBytes = 1u << 20;  // of a response, by default
inline constexpr uint32_t kScanMaxPageBytes = 8u << 20;
inline constexpr uint32_t kScanMaxPageEntries = 10'000;

// Where a walk stands: everything before `slot`, and in it everything up to `after`, is done.
struct ScanPosition {
  SlotId slot;
  std::string after;  // empty: nothing of the slot
  bool operator==(const ScanPosition&) const = default;
};

// As clients carry it: versioned, bound to the number of slots and to the prefix.
std::string EncodeScanCursor(const ScanPosition& position, uint32_t slots, std::string_view prefix);
// InvalidArgument: not a cursor of such a scan.
Result<ScanPosition> DecodeScanCursor(std::string_view cursor, uint32_t slots,
                                      std::string_view prefix);

class ScanWalk {
 public:
  struct Request {
    SlotId slot;
    std::string after;
    uint32_t max_bytes = 0;
    uint32_t max_entries = 0;
  };

  // InvalidArgument: a prefix that is longer than a key, or a bad cursor.
  static Result<ScanWalk> Make(const v1::ScanRequest& request, uint32_t slots, Duration idle_limit,
                               MonoTime now);

  // Slot pages to ask for now; each is answered by one OnPage.
  std::vector<Request> Next(MonoTime now);
  void OnPage(SlotId slot, ScanCall::Page page, MonoTime now);

  // When Next may have more without a page; kNever: with the next page only.
  MonoTime NextDue() const;

  // Moves what is ready to the response, up to a page in all, and sets its status and cursor to
  // where it then stands.
  void Take(v1::ScanResponse* response);

  // The response holds a page.
  bool Full(const v1::ScanResponse& response) const;

  // Complete, at its limit or failed: the last Take gave the end.
  bool ended() const { return ended_; }

  const std::string& prefix() const { return prefix_; }
  bool keys_only() const { return keys_only_; }
  MonoTime last_progress() const { return last_progress_; }

 private:
  struct Slot {
    ScanPosition at;  // what was taken
    std::deque<v1::ScanEntry> entries;
    size_t bytes = 0;
    std::string next_after;  // ask for what comes after this
    bool asked = false;
    bool complete = false;  // nothing comes after `entries`
    MonoTime ask_at;        // not before
    int failures = 0;
  };

  ScanWalk() = default;
  bool MayAsk(const Slot& slot, bool first, MonoTime now) const;
  void Grow();
  void Fail(v1::OpStatus status);
  // Drops finished slots at the front.
  void Advance();
  ScanPosition Position() const;
  // Counted from the first failure: a consumer may have let the walk rest for long before.
  MonoTime GiveUpAt() const { return std::max(last_progress_, failing_since_) + idle_limit_; }

  uint32_t slots_ = 0;
  std::string prefix_;
  bool keys_only_ = false;
  uint64_t left_ = 0;  // of the limit
  uint32_t page_bytes_ = 0;
  Duration idle_limit_{};

  std::deque<Slot> window_;  // consecutive slots; the first is given out now
  uint32_t next_slot_ = 0;   // the first behind the window
  uint32_t end_slot_ = 0;    // the first that is not walked
  size_t parallel_ = 4;      // grows as pages come, once their size is known
  size_t in_flight_ = 0;
  size_t buffered_bytes_ = 0;
  size_t largest_page_ = 16 << 10;
  size_t taken_bytes_ = 0;  // in the response that is being filled
  MonoTime last_progress_;
  MonoTime failing_since_;
  v1::OpStatus failure_;  // of the slot page that failed last
  bool failed_ = false;
  bool ended_ = false;
};

}  // namespace ringkv
