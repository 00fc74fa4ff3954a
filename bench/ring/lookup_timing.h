// Times look-ups: each contender's loops in turn, round after round, so that whatever disturbs the
// machine disturbs all of them alike; and on several threads at once. One thread alone is timed by
// the processor time that it had (it never waits), so that it matters little who else runs.
#pragma once

#include <functional>
#include <map>
#include <span>

#include "bench/ring/lookup_loops.h"
#include "bench/ring/samples.h"

namespace ringkv::bench {

// ns a look-up.
using LookupTimes = std::map<Loop, Samples>;

// For each of `all`, `runs` samples of every loop that it has, each of about `seconds` once warm.
std::vector<LookupTimes> TimeInterleaved(std::span<const LookupLoops* const> all, int runs,
                                         double seconds);

// Look-ups by several threads.
struct ReaderTimes {
  Samples per_second;      // of all threads together, by the clock
  Samples per_cpu_second;  // for each second of processor that a thread of theirs had
  // How often a thread of theirs gave its processor away to wait for something. Without that, what
  // they reach by the clock and what by processor time differ only by who else runs.
  Samples waits;
};

// Called on the reader's own thread; what it returns is called over and over until time is up:
// (seed, count) → something that depends on `count` look-ups.
using ReaderBody = std::function<uint64_t(uint64_t seed, uint64_t count)>;
using MakeReader = std::function<ReaderBody()>;

// One run of `seconds` by so many threads, which start together.
void RunReaders(unsigned threads, double seconds, uint64_t lookups_at_once, const MakeReader& make,
                ReaderTimes& times);

// How many primaries `loops` looks up in about `seconds`; at least one.
uint64_t LookupsWithin(const LookupLoops& loops, Loop loop, double seconds);

// By contender: what 1, 2, … `max_threads` readers of primaries reach. Interleaved as above.
std::vector<std::map<unsigned, ReaderTimes>> TimeReaders(std::span<const LookupLoops* const> all,
                                                         unsigned max_threads, int runs,
                                                         double seconds);

}  // namespace ringkv::bench
