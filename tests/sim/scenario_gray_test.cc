// S25: a node that is neither up nor down (each sync takes it two seconds), and records that cannot
// be read.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "tests/sim/scenario.h"

namespace ringkv {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class Gray : public Scenario {
 protected:
  Gray() : Scenario(/*synced=*/true) {}

  struct Load {
    std::vector<Duration> latencies;  // ascending
    uint64_t refused = 0;
    std::vector<uint64_t> sent = {0, 0, 0};  // operations, by node
    Duration Quantile(double q) const {
      return latencies[static_cast<size_t>(q * static_cast<double>(latencies.size() - 1))];
    }
  };

  // Puts and gets, one after the other, with a moment in between.
  Load Run(int operations) {
    Load load;
    cluster_.LoseOps([&load](int node, const v1::ReplicaOp&) {
      ++load.sent[static_cast<size_t>(node)];
      return false;
    });
    for (int i = 0; i < operations; ++i) {
      const MonoTime begun = scheduler_.now();
      const std::string value = "v" + std::to_string(i);
      const bool done = i % 2 == 0 ? Put(value).done() : Get().done();
      load.refused += done ? 0 : 1;
      load.latencies.push_back(scheduler_.now() - begun);
      Wait(milliseconds(20));
    }
    cluster_.LoseOps(nullptr);
    std::sort(load.latencies.begin(), load.latencies.end());
    return load;
  }
};

TEST_F(Gray, S25_NodeThatTakesTwoSecondsToSyncHoldsNobodyUp) {
  for (int gray = 0; gray < 3; ++gray) {
    WaitClean();
    const Load before = Run(1000);
    cluster_.SetSyncTime(gray, seconds(2));
    const Load with = Run(1000);
    EXPECT_EQ(with.refused, 0u);
    EXPECT_LT(with.Quantile(0.99), milliseconds(60)) << "a read that is late goes elsewhere";
    EXPECT_LT(with.latencies.back(), milliseconds(600)) << "once it is suspected, none is asked";
    // No storm: what it does not answer is asked again now and then, and nobody else has more to
    // do.
    for (int node = 0; node < 3; ++node) {
      EXPECT_LT(with.sent[static_cast<size_t>(node)],
                2 * before.sent[static_cast<size_t>(node)] + 500)
          << node << " beside gray " << gray;
    }
    cluster_.SetSyncTime(gray, Duration(0));
    Wait(seconds(3));
  }
}

TEST_F(Gray, S25_CorruptRecordIsReadElsewhereAndMended) {
  ASSERT_TRUE(Put("kept").done());
  WaitClean();
  for (int node = 0; node < 3; ++node) {
    ASSERT_TRUE(cluster_.CorruptRecord(node, kKey));
    for (int i = 0; i < 10; ++i) EXPECT_EQ(Get().value, "kept") << node;
    // One whose damage no read meets is compared with the others, which mends it.
    cluster_.CutOff((node + 1) % 3, true);
    Wait(milliseconds(700));
    for (int i = 0; i < 10; ++i) EXPECT_EQ(Get().value, "kept") << node;
    cluster_.CutOff((node + 1) % 3, false);
    cluster_.RestartRouter();
    WaitBack();
    EXPECT_EQ(Get().value, "kept");
  }
}

TEST_F(Gray, S25_RecordThatIsCorruptEverywhereIsAnErrorUntilItIsWrittenAnew) {
  ASSERT_TRUE(Put("lost").done());
  WaitClean();
  for (int node = 0; node < 3; ++node) ASSERT_TRUE(cluster_.CorruptRecord(node, kKey));
  for (int i = 0; i < 20; ++i) {
    const Outcome read = Get();
    EXPECT_FALSE(read.done());
    EXPECT_EQ(read.status.code(), v1::ERROR_CODE_CORRUPTION) << read.status.ShortDebugString();
    Wait(milliseconds(50));
  }
  ASSERT_TRUE(Put("anew").done());
  EXPECT_EQ(Get().value, "anew");
}

}  // namespace
}  // namespace ringkv
