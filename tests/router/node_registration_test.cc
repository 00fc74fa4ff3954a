// The boot handshake as scripts: what a disk says, what the router makes of it.
#include "router/node_registration.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/router/cluster_fixture.h"

namespace ringkv {
namespace {

// The router's side, with the metadata's.
class Handshake : public testing::Test {
 protected:
  // A disk as its node presents it.
  struct Disk {
    std::string node = "n1";
    int port = 7500;
    char store = 'a';
    uint64_t boot = 0;
    uint64_t nonce = 1;
    std::string cluster;
    uint64_t after = 0;
  };

  v1::RegisterRequest Request(const Disk& disk) {
    v1::RegisterRequest request;
    request.set_format_version(1);
    request.set_cluster_uuid(disk.cluster);
    request.set_node(disk.node);
    request.set_address("127.0.0.1:" + std::to_string(disk.port));
    request.set_http_address("127.0.0.1:" + std::to_string(disk.port + 1));
    request.set_store_uuid(std::string(16, disk.store));
    request.set_boot(disk.boot);
    request.set_nonce(disk.nonce);
    request.set_version("0.1.0");
    request.set_after_boot(disk.after);
    return request;
  }

  // Plans and, as the store would, commits.
  v1::RegisterReply Register(const Disk& disk) {
    auto planned = PlanRegistration(state_, Request(disk));
    EXPECT_TRUE(planned.ok()) << planned.status().ToString();
    if (planned->txn.has_value()) {
      for (const auto& [name, value] : planned->txn->expect) {
        MetadataTxn now;
        state_.Expect(name, &now);
        EXPECT_EQ(now.expect[0].second, value) << name;
      }
      EXPECT_TRUE(state_.Apply(*planned->txn).ok());
    }
    return planned->reply;
  }

  // A node that does all right: registers, and syncs the boot that was made.
  v1::RegisterReply Boot(Disk* disk) {
    ++disk->nonce;
    v1::RegisterReply reply = Register(*disk);
    if (reply.outcome() == v1::REGISTER_OUTCOME_CONFIRM) {
      disk->after = reply.boot();
      reply = Register(*disk);
    }
    EXPECT_EQ(reply.outcome(), v1::REGISTER_OUTCOME_REGISTERED) << reply.message();
    EXPECT_GT(reply.boot(), disk->boot);
    disk->boot = reply.boot();
    disk->cluster = reply.cluster_uuid();
    return reply;
  }

  void SetState(const std::string& node, v1::NodeState state) {
    v1::NodeRecord record = *state_.FindNode(node);
    record.set_state(state);
    MetadataTxn txn;
    txn.puts.emplace_back(NodeName(node), record.SerializeAsString());
    ASSERT_TRUE(state_.Apply(txn).ok());
  }

  const v1::NodeRecord& Node(const std::string& id) { return *state_.FindNode(id); }

  ClusterState state_ = Owned();
};

TEST_F(Handshake, FirstDiskGetsBootOneItsInstancesAndAllPromises) {
  Disk disk;
  v1::RegisterReply reply = Boot(&disk);
  EXPECT_TRUE(reply.first_disk());
  EXPECT_EQ(reply.boot(), 1u);
  EXPECT_EQ(reply.slots(), 64u);
  EXPECT_EQ(reply.groups(), 64u);
  EXPECT_EQ(reply.promises_size(), 64);
  EXPECT_EQ(reply.instances_size(), 64);  // three nodes, three replicas: every slot
  EXPECT_EQ(reply.instances(5).inc(), 1u);
  EXPECT_EQ(reply.cluster_uuid(), std::string(16, 'u'));
  EXPECT_EQ(Node("n1").store_uuid(), std::string(16, 'a'));
}

TEST_F(Handshake, EveryStartMakesOneBoot) {
  Disk disk;
  Boot(&disk);
  EXPECT_FALSE(Boot(&disk).first_disk());
  Boot(&disk);
  EXPECT_EQ(Node("n1").boot(), 3u);
}

TEST_F(Handshake, LostReplyIsGivenAgainAlsoTheFirst) {
  Disk disk;
  v1::RegisterReply first = Register(disk);
  v1::RegisterReply again = Register(disk);  // the disk has synced nothing but its intent
  EXPECT_EQ(first.SerializeAsString(), again.SerializeAsString());
  EXPECT_TRUE(again.first_disk());
  disk.boot = 1;
  disk.nonce = 77;
  EXPECT_EQ(Register(disk).boot(), 2u);
  EXPECT_EQ(Register(disk).boot(), 2u);
  EXPECT_EQ(Node("n1").boot(), 2u);
}

TEST_F(Handshake, RegistrationHoldsOnlyForTheOwnershipItRepeats) {
  auto planned = PlanRegistration(state_, Request({}));
  std::set<std::string> names;
  for (const auto& [name, value] : planned->txn->expect) names.insert(name);
  EXPECT_TRUE(names.contains("node/n1"));
  EXPECT_TRUE(names.contains("placement"));
  EXPECT_TRUE(names.contains("group/00000000"));
  EXPECT_TRUE(names.contains("group/00000063"));
}

TEST_F(Handshake, OldOrCopiedDiskIsRecognised) {
  Disk disk;
  Boot(&disk);
  Disk copy = disk;
  Boot(&disk);
  copy.nonce = 99;
  EXPECT_EQ(Register(copy).outcome(), v1::REGISTER_OUTCOME_DISK_OLD);
  EXPECT_EQ(Node("n1").boot(), 2u);
}

TEST_F(Handshake, MetadataBehindTheDiskIsRecognised) {
  const ClusterState backup = state_;
  Disk disk;
  Boot(&disk);
  const ClusterState newer_backup = state_;
  Boot(&disk);
  state_ = newer_backup;
  EXPECT_EQ(Register(disk).outcome(), v1::REGISTER_OUTCOME_METADATA_OLD);
  state_ = backup;  // from before it registered at all
  EXPECT_EQ(Register(disk).outcome(), v1::REGISTER_OUTCOME_METADATA_OLD);
}

TEST_F(Handshake, NewDiskUnderAnOldIdKeepsTheInstancesAndIsNotTheFirst) {
  Disk disk;
  Boot(&disk);
  Boot(&disk);
  Disk fresh;
  fresh.store = 'b';
  fresh.nonce = 50;
  v1::RegisterReply reply = Register(fresh);
  EXPECT_EQ(reply.outcome(), v1::REGISTER_OUTCOME_CONFIRM);
  EXPECT_EQ(reply.boot(), 2u);
  EXPECT_EQ(Node("n1").boot(), 2u);
  fresh.after = 2;
  reply = Register(fresh);
  EXPECT_EQ(reply.outcome(), v1::REGISTER_OUTCOME_REGISTERED);
  EXPECT_EQ(reply.boot(), 3u);  // no boot names two processes
  EXPECT_FALSE(reply.first_disk());
  EXPECT_EQ(reply.instances_size(), 64);
  EXPECT_EQ(reply.instances(0).inc(), 1u);
  EXPECT_FALSE(Register(fresh).first_disk());  // nor when asked again
  // The disk that it replaced is an old one from now on.
  disk.nonce = 51;
  EXPECT_EQ(Register(disk).outcome(), v1::REGISTER_OUTCOME_DISK_OLD);
  // And metadata from before the replacement is older than the new disk.
  v1::NodeRecord old = Node("n1");
  old.set_store_uuid(std::string(16, 'a'));
  old.set_boot(2);
  MetadataTxn restored;
  restored.puts.emplace_back(NodeName("n1"), old.SerializeAsString());
  ASSERT_TRUE(state_.Apply(restored).ok());
  fresh.boot = 3;
  fresh.nonce = 52;
  EXPECT_EQ(Register(fresh).outcome(), v1::REGISTER_OUTCOME_METADATA_OLD);
}

// A disk is wiped, and wiped again; what the first empty one sent arrives last.
TEST_F(Handshake, LateMessageOfADiskThatIsGoneChangesNothing) {
  Disk disk;
  Boot(&disk);
  Disk gone;
  gone.store = 'b';
  gone.nonce = 50;
  ASSERT_EQ(Register(gone).outcome(), v1::REGISTER_OUTCOME_CONFIRM);
  gone.after = 1;  // sent, and on its way for long
  Disk running;
  running.store = 'c';
  running.nonce = 60;
  ASSERT_EQ(Register(running).outcome(), v1::REGISTER_OUTCOME_CONFIRM);
  running.after = 1;
  running.boot = Register(running).boot();
  ASSERT_EQ(running.boot, 2u);

  const v1::NodeRecord before = Node("n1");
  for (uint64_t after : {uint64_t{0}, uint64_t{1}}) {
    gone.after = after;
    EXPECT_EQ(Register(gone).outcome(), v1::REGISTER_OUTCOME_CONFIRM) << "after " << after;
    EXPECT_EQ(Node("n1").SerializeAsString(), before.SerializeAsString()) << "after " << after;
  }
  // The running one starts again as the disk that it is.
  running.nonce = 61;
  EXPECT_EQ(Register(running).outcome(), v1::REGISTER_OUTCOME_REGISTERED);
}

// The other order: the late one is taken before its successor, which then comes after it.
TEST_F(Handshake, DiskWhoseConfirmationWasOvertakenComesAfterTheOtherOne) {
  Disk disk;
  Boot(&disk);
  Disk gone;
  gone.store = 'b';
  gone.nonce = 50;
  gone.after = 1;
  Disk running;
  running.store = 'c';
  running.nonce = 60;
  ASSERT_EQ(Register(running).outcome(), v1::REGISTER_OUTCOME_CONFIRM);
  running.after = 1;
  ASSERT_EQ(Register(gone).boot(), 2u);
  v1::RegisterReply reply = Register(running);
  EXPECT_EQ(reply.outcome(), v1::REGISTER_OUTCOME_CONFIRM);
  EXPECT_EQ(reply.boot(), 2u);
  running.after = 2;
  EXPECT_EQ(Register(running).boot(), 3u);
  EXPECT_EQ(Node("n1").store_uuid(), std::string(16, 'c'));
}

TEST_F(Handshake, DiskOfAnotherClusterIsRefused) {
  Disk disk;
  disk.cluster = std::string(16, 'x');
  EXPECT_EQ(Register(disk).outcome(), v1::REGISTER_OUTCOME_WRONG_CLUSTER);
  EXPECT_TRUE(Node("n1").store_uuid().empty());
}

TEST_F(Handshake, AddressOfAnotherMemberIsRefused) {
  Disk disk;
  disk.port = 7510;
  v1::RegisterReply reply = Register(disk);
  EXPECT_EQ(reply.outcome(), v1::REGISTER_OUTCOME_ADDRESS_IN_USE);
  EXPECT_NE(reply.message().find("n2"), std::string::npos);
}

TEST_F(Handshake, NodeThatMovedIsKnownAtItsNewAddress) {
  Disk disk;
  Boot(&disk);
  disk.port = 8800;
  Boot(&disk);
  EXPECT_EQ(Node("n1").address(), "127.0.0.1:8800");
}

TEST_F(Handshake, StrangerIsRecordedAndWaits) {
  Disk disk;
  disk.node = "n9";
  disk.port = 7590;
  v1::RegisterReply reply = Register(disk);
  EXPECT_EQ(reply.outcome(), v1::REGISTER_OUTCOME_NOT_A_MEMBER);
  EXPECT_NE(reply.message().find("admin add-node n9 127.0.0.1:7590"), std::string::npos);
  EXPECT_EQ(Node("n9").state(), v1::NODE_STATE_WAITING);
  EXPECT_TRUE(Node("n9").store_uuid().empty());
  // Asking again changes nothing.
  auto again = PlanRegistration(state_, Request(disk));
  EXPECT_TRUE(again->txn->puts.empty());
  // Once an operator has let it in, its disk is its first.
  SetState("n9", v1::NODE_STATE_MEMBER);
  EXPECT_TRUE(Boot(&disk).first_disk());
}

TEST_F(Handshake, NodeThatWaitsIsRememberedWithTheWeightItAsksForAMemberIsNot) {
  v1::RegisterRequest request = Request({.node = "n9", .port = 7590});
  auto ask = [&] {
    auto planned = PlanRegistration(state_, request);
    ASSERT_TRUE(planned.ok()) << planned.status().ToString();
    ASSERT_TRUE(state_.Apply(*planned->txn).ok());
  };
  ask();
  EXPECT_EQ(Node("n9").vnodes(), 128u);
  request.set_vnodes(32);
  ask();
  EXPECT_EQ(Node("n9").vnodes(), 32u);
  request.set_vnodes(0);
  ask();
  EXPECT_EQ(Node("n9").vnodes(), 32u);
  SetState("n9", v1::NODE_STATE_MEMBER);
  request.set_vnodes(64);
  ask();
  EXPECT_EQ(Node("n9").vnodes(), 32u);
}

TEST_F(Handshake, StrangerWithAHistoryMeansOldMetadata) {
  Disk disk;
  disk.node = "n9";
  disk.port = 7590;
  disk.boot = 3;
  EXPECT_EQ(Register(disk).outcome(), v1::REGISTER_OUTCOME_METADATA_OLD);
  EXPECT_EQ(state_.FindNode("n9"), nullptr);
}

TEST_F(Handshake, RemovedNodeComesBackOnlyWithAnEmptyDisk) {
  Disk disk;
  Boot(&disk);
  SetState("n1", v1::NODE_STATE_REMOVED);
  disk.nonce = 60;
  v1::RegisterReply same = Register(disk);
  EXPECT_EQ(same.outcome(), v1::REGISTER_OUTCOME_NOT_A_MEMBER);
  EXPECT_EQ(Node("n1").state(), v1::NODE_STATE_REMOVED);
  Disk used = disk;
  used.store = 'c';
  EXPECT_EQ(Register(used).outcome(), v1::REGISTER_OUTCOME_DISK_OLD);
  Disk fresh;
  fresh.store = 'b';
  EXPECT_EQ(Register(fresh).outcome(), v1::REGISTER_OUTCOME_NOT_A_MEMBER);
  EXPECT_EQ(Node("n1").state(), v1::NODE_STATE_WAITING);
  SetState("n1", v1::NODE_STATE_MEMBER);
  EXPECT_FALSE(Boot(&fresh).first_disk());  // the id has had another disk
}

TEST_F(Handshake, DrainingNodeStillRegisters) {
  Disk disk;
  Boot(&disk);
  SetState("n1", v1::NODE_STATE_DRAINING);
  Boot(&disk);
}

TEST_F(Handshake, NonsenseIsAnErrorNotAnOutcome) {
  auto bad = [&](auto edit) {
    v1::RegisterRequest request = Request({});
    edit(&request);
    EXPECT_EQ(PlanRegistration(state_, request).status().code(), StatusCode::kInvalidArgument)
        << request.ShortDebugString();
  };
  bad([](auto* r) { r->set_format_version(2); });
  bad([](auto* r) { r->set_node("Bad_Id"); });
  bad([](auto* r) { r->set_address("nowhere"); });
  bad([](auto* r) { r->set_http_address("nowhere"); });
  bad([](auto* r) { r->set_store_uuid("short"); });
  bad([](auto* r) { r->set_cluster_uuid("short"); });
  bad([](auto* r) { r->set_nonce(0); });
  bad([](auto* r) { r->set_vnodes(4097); });
}

}  // namespace
}  // namespace ringkv
