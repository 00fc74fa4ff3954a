// Which node may give its disk up, and when.
#include "router/disk_replacement.h"

#include <gtest/gtest.h>

#include "tests/router/cluster_fixture.h"
#include "tests/router/idle_data_plane.h"

namespace ringkv {
namespace {

// A data plane that only reports.
class ReportingPlane final : public IdleDataPlane {
 public:
  void Gather(std::function<void(std::vector<LoopReport>)> done) override { done(loops); }
  std::vector<LoopReport> loops;
};

class ReplacementTest : public testing::Test {
 protected:
  ReplacementTest() : replacement_(clock_, data_, [this] { return view_; }) {
    auto view = std::make_shared<ClusterView>();
    view->state = std::make_shared<const ClusterState>(Owned());
    view->peers = {"n1", "n2", "n3"};
    slots_ = view->state->identity().slots();
    view_ = view;
    // Two loops, half of the slots each.
    for (int loop = 0; loop < 2; ++loop) {
      LoopReport& report = data_.loops.emplace_back();
      report.shard.slots = slots_ / 2;
      for (uint32_t i = 0; i < 3; ++i) report.shard.peers.emplace_back().peer = Peer(i);
    }
  }

  v1::MayReplaceDiskRequest Of(const std::string& node) {
    const v1::NodeRecord* record = view_->state->FindNode(node);
    v1::MayReplaceDiskRequest request;
    request.set_node(node);
    if (record == nullptr) return request;
    request.set_store_uuid(record->store_uuid());
    return request;
  }

  v1::MayReplaceDiskReply Ask(const v1::MayReplaceDiskRequest& request) {
    v1::MayReplaceDiskReply answer;
    replacement_.Answer(request, [&](v1::MayReplaceDiskReply got) { answer = std::move(got); });
    return answer;
  }

  SimulatedClock clock_;
  ReportingPlane data_;
  uint32_t slots_ = 0;
  std::shared_ptr<const ClusterView> view_;
  DiskReplacement replacement_;
};

TEST_F(ReplacementTest, NodeThatNoSlotNeedsMay) { EXPECT_TRUE(Ask(Of("n2")).granted()); }

TEST_F(ReplacementTest, NodeThatASlotNeedsMayNotAndIsToldHowMany) {
  data_.loops[1].shard.peers[1].needed_slots = 7;
  const v1::MayReplaceDiskReply no = Ask(Of("n2"));
  EXPECT_FALSE(no.granted());
  EXPECT_NE(no.reason().find(" 7 "), std::string::npos) << no.reason();
  EXPECT_TRUE(Ask(Of("n1")).granted()) << "it is another node that is needed";
}

TEST_F(ReplacementTest, OneNodeAfterTheOther) {
  ASSERT_TRUE(Ask(Of("n2")).granted());
  EXPECT_TRUE(Ask(Of("n2")).granted()) << "the answer may have been lost";
  const v1::MayReplaceDiskReply no = Ask(Of("n3"));
  EXPECT_FALSE(no.granted());
  EXPECT_NE(no.reason().find("n2"), std::string::npos) << no.reason();
  clock_.Set(clock_.Now() + DiskReplacement::kBetweenNodes);
  EXPECT_TRUE(Ask(Of("n3")).granted());
}

TEST_F(ReplacementTest, DiskThatIsNotTheNodesHasNoLeave) {
  v1::MayReplaceDiskRequest other = Of("n2");
  other.set_store_uuid("another disk");
  EXPECT_FALSE(Ask(other).granted());
  EXPECT_FALSE(Ask(Of("n9")).granted());
}

TEST_F(ReplacementTest, RouterThatDoesNotOwnAllSlotsDoesNotKnow) {
  const v1::MayReplaceDiskRequest request = Of("n2");
  data_.loops.pop_back();
  EXPECT_FALSE(Ask(request).granted());
  view_ = std::make_shared<ClusterView>();
  EXPECT_FALSE(Ask(request).granted());
}

}  // namespace
}  // namespace ringkv
