#include "bench/ring/published_changes.h"

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>

#include "bench/ring/measuring.h"
#include "ring/ring_publisher.h"

namespace ringkv::bench {
namespace {

constexpr uint64_t kLookupsBetweenQuiescentStates = 4096;

// A thread that changes the ring and publishes it, from its making to Finish.
class Writer {
 public:
  Writer(ChangingRing& changing, RingPublisher& rings, double changes_per_second)
      : thread_([this, &changing, &rings, changes_per_second] {
          Run(changing, rings, changes_per_second);
        }) {}

  void Finish(WriterTimes& times) {
    stop_ = true;
    thread_.join();
    times.changes_per_second.Add(changes_ / seconds_);
    times.cpu_s_per_change.Add(cpu_seconds_ / changes_);
  }

 private:
  // A change that is late is made at once, and does not put off those after it.
  void Run(ChangingRing& changing, RingPublisher& rings, double changes_per_second) {
    const Stopwatch stopwatch;
    const auto start = std::chrono::steady_clock::now();
    const double cpu_before = ThreadCpuSeconds();
    do {
      const bool add = static_cast<uint64_t>(changes_) % 2 == 0;
      PlannedChange change = add ? changing.Add() : changing.RemoveAny();
      rings.Publish(std::make_shared<const Ring>(std::move(change.next)));
      ++changes_;
      std::this_thread::sleep_until(start +
                                    std::chrono::duration<double>(changes_ / changes_per_second));
    } while (!stop_);
    cpu_seconds_ = ThreadCpuSeconds() - cpu_before;
    seconds_ = stopwatch.Seconds();
    // As many nodes as before.
    if (static_cast<uint64_t>(changes_) % 2 == 1) changing.RemoveAny();
  }

  std::atomic<bool> stop_{false};
  double changes_ = 0;  // these three: the thread's until it is joined
  double seconds_ = 0;
  double cpu_seconds_ = 0;
  std::thread thread_;  // the last: it uses the others
};

MakeReader ReaderOf(RingPublisher& rings) {
  return [&rings]() -> ReaderBody {
    auto reader = std::make_shared<RingReader>(rings);
    return [reader](uint64_t seed, uint64_t count) {
      const uint64_t sum = IndependentLookups(seed, count, [&reader](Token token) {
        const Ring& ring = reader->ring();
        return uint64_t{ring.Primary(SlotOf(token, ring.slots())).value()};
      });
      reader->Quiescent();
      return sum;
    };
  };
}

}  // namespace

PublishedChanges TimePublishedChanges(ChangingRing& changing, double changes_per_second,
                                      unsigned max_readers, int runs, double seconds) {
  PublishedChanges times{.wanted_per_second = changes_per_second};
  RingPublisher rings(std::make_shared<const Ring>(changing.ring()));
  const MakeReader make = ReaderOf(rings);
  for (int run = 0; run < runs; ++run) {
    for (unsigned readers = 1; readers <= max_readers; ++readers) {
      RunReaders(readers, seconds, kLookupsBetweenQuiescentStates, make, times.quiet[readers]);
      Writer writer(changing, rings, changes_per_second);
      RunReaders(readers, seconds, kLookupsBetweenQuiescentStates, make, times.busy[readers]);
      writer.Finish(times.writer[readers]);
    }
  }
  return times;
}

}  // namespace ringkv::bench
