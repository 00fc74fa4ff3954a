// Who is taken for a second process under the id of one that runs.
#include "router/identity_guard.h"

#include <gtest/gtest.h>

#include "router/node_registration.h"
#include "tests/router/cluster_fixture.h"

namespace ringkv {
namespace {

class IdentityGuardTest : public testing::Test {
 protected:
  IdentityGuardTest() {
    view_.state = std::make_shared<const ClusterState>(Registered());
    view_.peers = {"n1", "n2", "n3"};
    for (int loop = 0; loop < 2; ++loop) {
      LoopReport& report = loops_.emplace_back();
      for (uint32_t i = 0; i < 3; ++i) report.shard.peers.emplace_back().peer = Peer(i);
    }
    loops_[1].shard.peers[1].connected = true;  // n2 answers one of the loops
  }

  // All three nodes have registered from their disks.
  static ClusterState Registered() {
    ClusterState state = Owned();
    for (const char* id : {"n1", "n2", "n3"}) {
      v1::RegisterRequest request = From(id, state.FindNode(id)->address());
      request.set_format_version(1);
      request.set_store_uuid(std::string(16, id[1]));
      request.set_nonce(1);
      const auto registration = PlanRegistration(state, request);
      EXPECT_TRUE(registration.ok() && registration->txn.has_value());
      EXPECT_TRUE(state.Apply(*registration->txn).ok());
    }
    return state;
  }
  static v1::RegisterRequest From(const std::string& node, const std::string& address) {
    v1::RegisterRequest request;
    request.set_node(node);
    request.set_address(address);
    return request;
  }
  std::string AddressOf(const std::string& node) { return view_.state->FindNode(node)->address(); }
  bool Refused(const v1::RegisterRequest& request) {
    return JudgeSecondProcess(view_, loops_, request).has_value();
  }

  ClusterView view_;
  std::vector<LoopReport> loops_;
};

TEST_F(IdentityGuardTest, MemberThatAnswersElsewhereIsNamed) {
  const auto reply = JudgeSecondProcess(view_, loops_, From("n2", "h:1"));
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->outcome(), v1::REGISTER_OUTCOME_ID_IN_USE);
  EXPECT_NE(reply->message().find(AddressOf("n2")), std::string::npos) << reply->message();
}

TEST_F(IdentityGuardTest, OneThatStartsAgainWhereItWasRegisters) {
  EXPECT_FALSE(MayBeASecondProcess(view_, From("n2", AddressOf("n2"))));
  EXPECT_FALSE(Refused(From("n2", AddressOf("n2"))));
}

TEST_F(IdentityGuardTest, OneThatMovedRegistersOnceTheOldProcessIsGoneOrSuspected) {
  EXPECT_FALSE(Refused(From("n1", "h:1")));
  loops_[1].shard.peers[1].suspected = true;
  EXPECT_FALSE(Refused(From("n2", "h:1")));
}

TEST_F(IdentityGuardTest, DiskOfAnotherClusterIsToldThat) {
  v1::RegisterRequest request = From("n2", "h:1");
  request.set_cluster_uuid(std::string(16, 'x'));
  EXPECT_FALSE(Refused(request));
  request.set_cluster_uuid(view_.state->identity().uuid());
  EXPECT_TRUE(Refused(request));
}

TEST_F(IdentityGuardTest, StrangerRegisters) {
  EXPECT_FALSE(Refused(From("n9", "h:1")));
  view_.state = nullptr;
  EXPECT_FALSE(Refused(From("n2", "h:1")));
}

}  // namespace
}  // namespace ringkv
