// What of a replica instance is garbage (docs/protocol.md, R7), and when it is worth looking for.
//
// A record that is collected reads as absent, whether or not a sweep has already removed it: a
// sweep changes nothing that anybody can see, and may stop anywhere. Values; thread-compatible.
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "base/ids.h"
#include "ringkv/v1/cluster.pb.h"

namespace ringkv {

// Below it, tombstones and expired records are gone; an absent key reads as a tombstone at it.
struct Floor {
  Version version;
  uint64_t expired_before_ms = 0;  // wall clock of the slot's owner, behind by skew and grace
  auto operator<=>(const Floor&) const = default;
};

bool Collected(const v1::Record& record, const Floor& floor);

// The record as anybody outside the store sees it: a collected one becomes a tombstone at the
// floor.
void ReadAs(const Floor& floor, v1::Record* record);

// A sweep reads a whole instance. It is made when the floor has moved since the last one and as
// much as a fiftieth of the records may be garbage, or an hour has passed.
class GarbageEstimate {
 public:
  static constexpr Duration kAtLatest = std::chrono::hours(1);
  static constexpr uint64_t kWorthwhileShare = 50;

  // A record was written.
  void OnWrite(const v1::Record& record) { suspects_ += Suspect(record) ? 1 : 0; }
  // A later floor may let something go.
  bool MayGrow() const { return !swept_ || suspects_ > 0; }
  bool Due(const Floor& floor, MonoTime now) const;
  // A sweep under `floor` passed over `records`, and left `suspects` of them for a later floor.
  void OnSwept(const Floor& floor, uint64_t records, uint64_t suspects, MonoTime now);
  // The sweep could not read everything: the next one comes at the latest time.
  void OnFailed(MonoTime now);

  static bool Suspect(const v1::Record& record) {
    return record.tombstone() || record.expires_at_ms() != 0;
  }

 private:
  bool swept_ = false;  // by this process; before that, nothing is known
  bool failed_ = false;
  uint64_t suspects_ = 0;  // tombstones and records that expire, at most
  uint64_t records_ = 0;   // that the last sweep saw
  Floor floor_;            // of the last sweep
  MonoTime at_;            // of the last sweep
};

}  // namespace ringkv
