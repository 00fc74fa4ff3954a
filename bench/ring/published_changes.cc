#include "bench/ring/published_changes.h"

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "bench/ring/measuring.h"
#include "ring/ring_publisher.h"

namespace ringkv::bench {
namespace {

constexpr uint64_t kLookupsBetweenQuiescentStates = 4096;
constexpr double kMoreChanges = 1.2;

// What makes the next ring of the one before.
struct PreparedChange {
  Epoch epoch;
  MemberTable members;
  std::vector<std::pair<SlotId, ReplicaRow>> rows;

  Ring Apply(const Ring& before) const {
    SlotTable table = before.table();
    for (const auto& [slot, row] : rows) table.SetRow(slot, row);
    return {epoch, members, std::move(table)};
  }
};

// An even number of changes, so that as many nodes are left as there were; at least two.
std::vector<PreparedChange> PlanChanges(ChangingRing& changing, size_t count, WriterTimes& times) {
  std::vector<PreparedChange> changes;
  double seconds = 0;
  while (changes.size() < std::max<size_t>(count, 2) || changes.size() % 2 == 1) {
    const Ring before = changing.ring();
    const CpuStopwatch planning;
    const PlannedChange plan = changes.size() % 2 == 0 ? changing.Add() : changing.RemoveAny();
    seconds += planning.Seconds();
    PreparedChange change{plan.next.epoch(), plan.next.members(), {}};
    SlotTable::ForEachDifference(before.table(), plan.next.table(), [&](SlotId slot) {
      change.rows.emplace_back(slot, plan.next.Replicas(slot));
    });
    changes.push_back(std::move(change));
  }
  times.planning_cpu_s.Add(seconds / static_cast<double>(changes.size()));
  return changes;
}

// A thread that applies changes to `ring` and publishes what comes of them, from its making to
// Finish.
class Writer {
 public:
  Writer(std::shared_ptr<const Ring> ring, std::vector<PreparedChange> changes,
         RingPublisher& rings, double changes_per_second)
      : changes_(std::move(changes)),
        thread_([this, ring = std::move(ring), &rings, changes_per_second] {
          Run(ring, rings, changes_per_second);
        }) {}

  void Finish(WriterTimes& times) {
    stop_ = true;
    thread_.join();
    times.changes_per_second.Add(published_ / seconds_);
    times.cpu_s_per_change.Add(cpu_seconds_ / published_);
  }

 private:
  // A change that is late is made at once, and does not put off those after it.
  void Run(std::shared_ptr<const Ring> ring, RingPublisher& rings, double changes_per_second) {
    const Stopwatch stopwatch;
    const auto start = std::chrono::steady_clock::now();
    const double cpu_before = ThreadCpuSeconds();
    for (const PreparedChange& change : changes_) {
      ring = std::make_shared<const Ring>(change.Apply(*ring));
      rings.Publish(ring);
      ++published_;
      cpu_seconds_ = ThreadCpuSeconds() - cpu_before;
      std::this_thread::sleep_until(start +
                                    std::chrono::duration<double>(published_ / changes_per_second));
      seconds_ = stopwatch.Seconds();
      if (stop_) return;
    }
  }

  const std::vector<PreparedChange> changes_;
  std::atomic<bool> stop_{false};
  double published_ = 0;  // these three: the thread's until it is joined
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
      WriterTimes& writer_times = times.writer[readers];
      // More than the readers have time for: they end before the writer does.
      const auto count = static_cast<size_t>(kMoreChanges * seconds * changes_per_second);
      const auto before = std::make_shared<const Ring>(changing.ring());
      std::vector<PreparedChange> changes = PlanChanges(changing, count, writer_times);
      rings.Publish(before);
      Writer writer(before, std::move(changes), rings, changes_per_second);
      RunReaders(readers, seconds, kLookupsBetweenQuiescentStates, make, times.busy[readers]);
      writer.Finish(writer_times);
    }
  }
  return times;
}

}  // namespace ringkv::bench
