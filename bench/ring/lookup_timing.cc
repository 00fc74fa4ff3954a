#include "bench/ring/lookup_timing.h"

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <limits>
#include <thread>
#include <vector>

#include "bench/ring/measuring.h"

namespace ringkv::bench {
namespace {

// Of the timed look-ups, how many more go before them to warm caches and branch predictors.
constexpr uint64_t kWarmUpPart = 10;
// Until a trial has taken this long its speed is not believed.
constexpr double kTrialSeconds = 0.002;
// Readers look at the clock's flag this often.
constexpr double kReaderBlockSeconds = 50e-6;

double NanosecondsEach(const LookupLoops& loops, Loop loop, uint64_t seed, uint64_t count) {
  Use(loops.Run(loop, seed, count / kWarmUpPart));
  const CpuStopwatch stopwatch;
  Use(loops.Run(loop, seed + 1, count));
  return stopwatch.Seconds() * 1e9 / static_cast<double>(count);
}

struct OneReader {
  uint64_t lookups = 0;
  double seconds = 0;
  double cpu_seconds = 0;
  long waits = 0;
};

OneReader ReadUntil(const std::atomic<bool>& stop, uint64_t seed, uint64_t lookups_at_once,
                    const ReaderBody& body) {
  OneReader reader;
  const Stopwatch stopwatch;
  const double cpu_before = ThreadCpuSeconds();
  const long waits_before = ThreadWaits();
  while (!stop.load(std::memory_order_relaxed)) {
    Use(body(seed + reader.lookups, lookups_at_once));
    reader.lookups += lookups_at_once;
  }
  reader.waits = ThreadWaits() - waits_before;
  reader.cpu_seconds = ThreadCpuSeconds() - cpu_before;
  reader.seconds = stopwatch.Seconds();
  return reader;
}

}  // namespace

uint64_t LookupsWithin(const LookupLoops& loops, Loop loop, double seconds) {
  for (uint64_t count = 1;; count *= 2) {
    const CpuStopwatch stopwatch;
    Use(loops.Run(loop, count, count));
    const double taken = stopwatch.Seconds();
    if (taken < std::min(seconds, kTrialSeconds)) continue;
    return std::max<uint64_t>(1,
                              static_cast<uint64_t>(static_cast<double>(count) * seconds / taken));
  }
}

namespace {

// Until look-ups get no faster. A table that lay idle while others were built may have been paged
// out, also by the host of a virtual machine, and look-ups at random bring it back page by page: so
// many that each page of a gigabyte is met, as far as the time goes, before they count as no
// faster.
void PageIn(const LookupLoops& loops, double seconds) {
  constexpr int kMostRounds = 40;
  constexpr double kFaster = 0.9;
  constexpr uint64_t kToMeetEveryPage = 4'000'000;
  constexpr double kMostSeconds = 6;
  double last = std::numeric_limits<double>::infinity();
  const Stopwatch whole;
  uint64_t all = 0;
  for (int round = 0; round < kMostRounds; ++round) {
    const uint64_t block = LookupsWithin(loops, Loop::kPrimary, seconds / 10);
    const Stopwatch stopwatch;
    uint64_t lookups = 0;
    do {
      Use(loops.Run(Loop::kPrimary, all + lookups, block));
      lookups += block;
    } while (stopwatch.Seconds() < seconds);
    all += lookups;
    const double each = stopwatch.Seconds() / static_cast<double>(lookups);
    const bool met_all = all >= kToMeetEveryPage || whole.Seconds() >= kMostSeconds;
    if (each > kFaster * last && met_all) return;
    last = each;
  }
}

}  // namespace

std::vector<LookupTimes> TimeInterleaved(std::span<const LookupLoops* const> all, int runs,
                                         double seconds) {
  std::vector<LookupTimes> times(all.size());
  std::vector<std::map<Loop, uint64_t>> counts(all.size());
  for (size_t i = 0; i < all.size(); ++i) {
    PageIn(*all[i], 4 * seconds);
    for (Loop loop : kAllLoops) {
      if (all[i]->Has(loop)) counts[i][loop] = LookupsWithin(*all[i], loop, seconds);
    }
  }
  for (int run = 0; run < runs; ++run) {
    for (size_t i = 0; i < all.size(); ++i) {
      for (const auto& [loop, count] : counts[i]) {
        times[i][loop].Add(NanosecondsEach(*all[i], loop, static_cast<uint64_t>(run), count));
      }
    }
  }
  return times;
}

void RunReaders(unsigned threads, double seconds, uint64_t lookups_at_once, const MakeReader& make,
                ReaderTimes& times) {
  std::atomic<bool> stop{false};
  std::barrier start(threads + 1);
  std::vector<OneReader> readers(threads);
  std::vector<std::jthread> running;
  running.reserve(threads);
  for (unsigned i = 0; i < threads; ++i) {
    running.emplace_back([&, i] {
      const ReaderBody body = make();
      start.arrive_and_wait();
      readers[i] = ReadUntil(stop, i, lookups_at_once, body);
    });
  }
  start.arrive_and_wait();
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  stop = true;
  running.clear();  // joins them

  double per_second = 0, lookups = 0, cpu_seconds = 0, waits = 0;
  for (const OneReader& reader : readers) {
    per_second += static_cast<double>(reader.lookups) / reader.seconds;
    lookups += static_cast<double>(reader.lookups);
    cpu_seconds += reader.cpu_seconds;
    waits += static_cast<double>(reader.waits);
  }
  times.per_second.Add(per_second);
  times.per_cpu_second.Add(lookups / cpu_seconds);
  times.waits.Add(waits);
}

std::vector<std::map<unsigned, ReaderTimes>> TimeReaders(std::span<const LookupLoops* const> all,
                                                         unsigned max_threads, int runs,
                                                         double seconds) {
  std::vector<std::map<unsigned, ReaderTimes>> times(all.size());
  std::vector<uint64_t> blocks;
  for (const LookupLoops* loops : all) {
    blocks.push_back(LookupsWithin(*loops, Loop::kPrimary, kReaderBlockSeconds));
  }
  for (int run = 0; run < runs; ++run) {
    for (size_t i = 0; i < all.size(); ++i) {
      const MakeReader make = [loops = all[i]] {
        return [loops](uint64_t seed, uint64_t count) {
          return loops->Run(Loop::kPrimary, seed, count);
        };
      };
      for (unsigned threads = 1; threads <= max_threads; ++threads) {
        RunReaders(threads, seconds, blocks[i], make, times[i][threads]);
      }
    }
  }
  return times;
}

}  // namespace ringkv::bench
