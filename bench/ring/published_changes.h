// Readers of a ring that changes under them: look-ups through a RingPublisher, as a router does
// them, while a thread applies changes (it sets the rows that differ, in copies of their pages) and
// publishes the rings at a wanted rate. The changes are planned beforehand, and what that costs is
// told apart: one process plans for all others, once.
//
// The writer needs a processor too. Where there are no more cores than readers it takes part of
// theirs, so what readers reach is told twice: by the clock, and for each second of processor that
// they had. The first says what is left on this machine, the second whether publishing itself
// disturbs them (by locks, or by cache lines that travel).
#pragma once

#include <map>

#include "bench/ring/lookup_timing.h"
#include "bench/ring/ring_contender.h"

namespace ringkv::bench {

struct WriterTimes {
  Samples changes_per_second;  // really reached
  Samples cpu_s_per_change;    // applying, publishing, freeing what was replaced
  Samples planning_cpu_s;      // a change, before
};

struct PublishedChanges {
  double wanted_per_second = 0;
  // Each by the number of readers.
  std::map<unsigned, ReaderTimes> quiet;  // nothing changes
  std::map<unsigned, ReaderTimes> busy;
  std::map<unsigned, WriterTimes> writer;
};

// With 1, 2, … `max_readers` readers, each `runs` times `seconds`, without and with changes.
PublishedChanges TimePublishedChanges(ChangingRing& changing, double changes_per_second,
                                      unsigned max_readers, int runs, double seconds);

}  // namespace ringkv::bench
