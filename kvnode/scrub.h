// Reads everything that a node holds, slowly, again and again: what nobody reads is damaged
// unnoticed otherwise, until its other copies are gone too. Each record is verified against its
// checksums. One that cannot be read is remembered until it can (its owner mends it from another
// replica); a damaged block, behind which a whole stretch of keys is out of reach, costs the node
// its disk (docs/protocol.md, "Damaged disks").
//
// One cycle takes `period`: each instance has its time in it. A page is at most 1 MiB, and no more
// than `max_bytes_per_second` are read. Begins anywhere, so that a node that starts often comes to
// all of it in the end.
//
// Pure but for the store and the log. Thread-compatible: one thread calls Step.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/status.h"
#include "kvnode/store.h"
#include "ringkv/v1/replica.pb.h"

namespace ringkv {

struct ScrubStats {
  uint64_t cycles = 0;            // finished
  uint64_t records = 0;           // read
  uint64_t bytes = 0;             // of their keys and values
  uint64_t unreadable_found = 0;  // records, each time that one was found
  uint64_t mended = 0;            // of them: that can be read again, or are gone
  uint64_t unreadable = 0;        // now
  uint64_t stretches = 0;         // met in this cycle and the last
};

class Scrub {
 public:
  struct Options {
    Duration period = std::chrono::hours(24);
    uint64_t max_bytes_per_second = 16u << 20;
    Duration look_again = std::chrono::seconds(1);  // at records that were unreadable
    size_t max_remembered = 1'024;
  };

  Scrub(Store& store, const Clock& clock, Random random, const Options& options);

  // Does what is due and returns when more is: one page at most, and a look at what is remembered.
  // An error: the disk failed; it must not be called again.
  Result<MonoTime> Step();

  const ScrubStats& stats() const { return stats_; }
  std::vector<v1::DamagedKey> damaged() const;

 private:
  using Name = std::tuple<uint32_t, uint64_t, std::string>;  // slot, incarnation, key

  Status BeginCycle();
  Status ReadPage();
  void NextInstance();
  Status LookAgain();
  void Remember(const InstanceName& instance, const DamagedRecord& record);

  Store& store_;
  const Clock& clock_;
  Random random_;
  const Options options_;
  ScrubStats stats_;
  std::set<Name> damaged_;

  std::vector<InstanceName> instances_;  // of this cycle, in its order
  size_t at_ = 0;
  std::string after_;  // within the instance
  MonoTime began_;
  MonoTime next_page_;
  MonoTime next_look_;
  uint64_t stretches_now_ = 0;
  uint64_t stretches_last_ = 0;
};

}  // namespace ringkv
