#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <memory>

#include "bench/overload/http2_frames.h"
#include "bench/overload/memory_bounds.h"
#include "bench/overload/overload_bench.h"
#include "bench/overload/overload_targets.h"
#include "bench/overload/process_memory.h"

namespace ringkv::bench {
namespace {

TEST(OverloadTargets, TryAgainIsWhatChangedNothing) {
  LoadFigures figures;
  figures.FailedAs("overloaded, not applied", "", {});
  figures.FailedAs("deadline, not applied", "", {});
  figures.FailedAs("unavailable, not applied", "", {});
  EXPECT_EQ(NotTryAgain(figures), 0u);
  figures.FailedAs("timed out, unknown", "", {});
  figures.FailedAs("internal, not applied", "", {});
  EXPECT_EQ(NotTryAgain(figures), 2u);
  figures.Failed(3, "nobody knows how");
  EXPECT_EQ(NotTryAgain(figures), 5u);
}

TEST(OverloadTargets, FailuresOfSeveralClientsAddUp) {
  LoadFigures one;
  LoadFigures other;
  one.FailedAs("overloaded, not applied", "first", std::chrono::milliseconds(3));
  other.FailedAs("overloaded, not applied", "second", std::chrono::milliseconds(9));
  one.Add(other);
  EXPECT_EQ(one.failed, 2u);
  EXPECT_EQ(one.failed_as["overloaded, not applied"], 2u);
  EXPECT_EQ(one.slowest_failure, std::chrono::milliseconds(9));
  EXPECT_EQ(one.first_error, "first");
}

TEST(OverloadTargets, BoundsAreMetOnThemAndNotBeyond) {
  EXPECT_TRUE((OverloadTarget{"", "", 0.8, 0.8, true}.met()));
  EXPECT_FALSE((OverloadTarget{"", "", 0.79, 0.8, true}.met()));
  EXPECT_TRUE((OverloadTarget{"", "", 6, 6, false}.met()));
  EXPECT_FALSE((OverloadTarget{"", "", 6.1, 6, false}.met()));
}

TEST(LongestGap, IsTheLongestTimeWithoutGrowth) {
  LongestGap gap;
  gap.Look(0, 5);
  gap.Look(1, 6);
  gap.Look(2, 6);
  gap.Look(4, 7);  // nothing from 1 to 4
  gap.Look(5, 8);
  EXPECT_DOUBLE_EQ(gap.seconds(), 3);
  gap.Look(9, 8);  // and goes on
  EXPECT_DOUBLE_EQ(gap.seconds(), 4);
}

TEST(MemoryBounds, GrowWithWhatOptionsGive) {
  RouterOptions router;
  NodeOptions node;
  router.loops = 2;
  node.workers = 2;
  const uint64_t of_router = RouterMemoryBound(router, 3, 0).total();
  const uint64_t of_node = NodeMemoryBound(node, 4).total();
  router.max_in_flight_bytes += 1000;  // of calls, and of answers
  EXPECT_EQ(RouterMemoryBound(router, 3, 0).total(), of_router + 2000);
  EXPECT_GT(RouterMemoryBound(router, 4, 0).total(), of_router + 2000);
  EXPECT_GT(RouterMemoryBound(router, 3, 1).total(), of_router + 2000);
  node.block_cache_bytes += 1000;
  EXPECT_EQ(NodeMemoryBound(node, 4).total(), of_node + 1000);
  node.memtable_bytes += 100;
  EXPECT_EQ(NodeMemoryBound(node, 4).total(), of_node + 1100);
  EXPECT_GT(NodeMemoryBound(node, 5).total(), of_node + 1100);
}

TEST(ProcessMemory, PeakStaysUntilItIsReset) {
  constexpr size_t kBytes = 64u << 20;
  {
    // Straight from the system, and back to it.
    std::unique_ptr<char, decltype(&std::free)> block(static_cast<char*>(std::malloc(kBytes)),
                                                      &std::free);
    std::memset(block.get(), 1, kBytes);
    EXPECT_GE(MemoryOf(::getpid())->resident, kBytes);
  }
  const auto after = MemoryOf(::getpid());
  ASSERT_TRUE(after.ok());
  EXPECT_LT(after->resident, kBytes);
  EXPECT_GE(after->peak, kBytes);
  ASSERT_TRUE(ResetPeak(::getpid()).ok());
  EXPECT_LT(MemoryOf(::getpid())->peak, kBytes);
}

TEST(ProcessMemory, OfWhatIsGoneIsUnavailable) {
  EXPECT_EQ(MemoryOf(pid_t{0x3fffffff}).status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(ResetPeak(0x3fffffff).code(), StatusCode::kUnavailable);
  EXPECT_EQ(MemoryOf(Processes{{"gone", 0x3fffffff}}).status().code(), StatusCode::kUnavailable);
}

TEST(Http2Frames, AreTakenOutAsTheyWereEncoded) {
  const std::string bytes = Encode({FrameType::kPing, kAckFlag, 0, "12345678"}) +
                            Encode({FrameType::kData, 0, 0x01020304, std::string(70'000, 'x')});
  // Byte by byte, as a socket may give them.
  std::string got;
  std::vector<Frame> frames;
  for (const char byte : bytes) {
    got.push_back(byte);
    Frame frame;
    if (TakeFrame(&got, &frame)) frames.push_back(frame);
  }
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_EQ(frames[0].type, FrameType::kPing);
  EXPECT_TRUE(frames[0].ack());
  EXPECT_EQ(frames[0].payload, "12345678");
  EXPECT_EQ(frames[1].stream, 0x01020304u);
  EXPECT_EQ(frames[1].payload, std::string(70'000, 'x'));
  EXPECT_FALSE(frames[1].ack());
  EXPECT_EQ(got, "");
}

TEST(OverloadOptions, MoreConnectionsThanOpenFilesAreRefused) {
  OverloadOptions options;
  options.idle = 5'000;
  EXPECT_TRUE(CheckOverloadOptions(options, 10'000).ok());
  EXPECT_EQ(CheckOverloadOptions(options, 5'000).code(), StatusCode::kInvalidArgument);
  options.only = {"load"};
  EXPECT_TRUE(CheckOverloadOptions(options, 5'000).ok());
}

}  // namespace
}  // namespace ringkv::bench
