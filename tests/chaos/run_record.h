// What a chaos run did and what came of it, as plain values: filled by chaos_run, judged, and
// written out by report.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/chaos/availability.h"
#include "tests/chaos/probe.h"
#include "tests/chaos/verdicts.h"

namespace ringkv {

struct FaultRecord {
  std::string kind;
  std::string target;
  bool overlapped = false;  // another one happened in the same episode
  int64_t from_ns = 0;      // the harm begins
  int64_t healed_ns = 0;    // it is taken back
  int64_t whole_ns = 0;     // every member is up again and every copy complete; 0: never seen
  std::vector<std::string> notes;
};

struct LeftOut {
  std::string what;
  std::string why;
};

struct RunRecord {
  uint64_t seed = 0;
  std::string replay;  // the command that runs the same faults
  Capabilities capabilities;
  std::vector<LeftOut> left_out;
  std::vector<FaultRecord> faults;
  int64_t load_from_ns = 0;
  int64_t load_to_ns = 0;
  uint64_t not_begun = 0;
  double whole_run_seconds = 0;
  std::vector<Check> checks;
  std::vector<ClientOperation> operations;  // of the load and of the reads at the end

  bool passed() const;
};

// A fault that did not overlap with another.
struct LoneFault {
  std::string kind;
  Stretch harm;       // from its beginning until all is whole again
  Stretch aftermath;  // from its beginning until some seconds later, or the next one begins
};

// Stretches of the run, from its faults.
struct Stretches {
  Stretch before;             // the first fault
  Stretch during;             // from the first to the last, whole again
  Stretch after;              // the rest of the load
  std::vector<Stretch> calm;  // without a fault, and not soon after one
  std::vector<LoneFault> alone;
  std::vector<Stretch> harms;    // of every fault
  std::vector<Stretch> excused;  // a majority, or the router, may have been out
};

Stretches StretchesOf(const RunRecord& record);

// Whether what took this time is to be laid to the fault's charge: it touches the harm, or the
// aftermath and no other fault's harm.
bool IsDueTo(const Stretch& time, const LoneFault& fault, const std::vector<Stretch>& harms);

}  // namespace ringkv
