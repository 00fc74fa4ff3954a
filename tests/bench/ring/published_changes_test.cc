#include "bench/ring/published_changes.h"

#include <gtest/gtest.h>

#include "tests/ring/cluster_fixture.h"

namespace ringkv::bench {
namespace {

TEST(PublishedChanges, AreMadeWhileReadersReadAndLeaveAsManyNodes) {
  constexpr int kRuns = 3;
  constexpr unsigned kReaders = 2;
  ChangingRing changing(Formed(6, 3, 64), 1);
  const PublishedChanges times = TimePublishedChanges(changing, 500, kReaders, kRuns, 0.03);

  EXPECT_EQ(changing.ring().nodes().size(), 6u);
  EXPECT_GT(changing.ring().epoch(), Epoch(1 + kRuns * kReaders));
  EXPECT_EQ(times.wanted_per_second, 500);
  ASSERT_EQ(times.writer.size(), kReaders);
  for (const auto& [readers, writer] : times.writer) {
    EXPECT_EQ(writer.changes_per_second.size(), size_t{kRuns});
    EXPECT_GT(writer.changes_per_second.Min(), 0);
    EXPECT_GT(writer.cpu_s_per_change.Min(), 0);
    EXPECT_GT(writer.planning_cpu_s.Min(), 0);
  }
  for (const auto* readers : {&times.quiet, &times.busy}) {
    ASSERT_EQ(readers->size(), kReaders);
    for (const auto& [threads, reader_times] : *readers) {
      EXPECT_EQ(reader_times.per_second.size(), size_t{kRuns});
      EXPECT_EQ(reader_times.per_cpu_second.size(), size_t{kRuns});
    }
  }
}

}  // namespace
}  // namespace ringkv::bench
