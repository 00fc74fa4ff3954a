// The control loop over a simulated metadata store and a data plane that only notes what it is
// told.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "router/membership.h"
#include "router/simulated_metadata.h"
#include "tests/router/cluster_fixture.h"
#include "tests/router/idle_data_plane.h"

namespace ringkv {

class FakeDataPlane final : public IdleDataPlane {
 public:
  void SetPeer(const PeerAddress& peer) override { peers[peer.node.value()] = peer; }
  void DropPeer(Peer, const NodeId& node) override { peers.erase(node.value()); }
  void AdoptRows(std::vector<std::pair<GroupId, SlotGrant>> rows) override {
    for (auto& row : rows) adopted.push_back(std::move(row.second));
  }
  void TakeGroups(std::vector<GroupGrant> taken) override {
    for (GroupGrant& grant : taken) {
      for (const SlotGrant& slot : grant.slots) {
        for (const ReplicaGrant& replica : slot.replicas) {
          EXPECT_LT(replica.peer.value(), peers.size()) << "peers come before groups";
        }
      }
      grants.push_back(std::move(grant));
    }
  }
  void SetLeaseUntil(MonoTime until) override { lease_until = until; }
  void PredecessorsGone() override { predecessors_gone = true; }

  std::map<std::string, PeerAddress> peers;
  std::vector<GroupGrant> grants;
  std::vector<SlotGrant> adopted;
  MonoTime lease_until;
  bool predecessors_gone = false;
};

class MembershipTest : public testing::Test {
 protected:
  MembershipTest() {
    FormationRequest three = ThreeNodes();
    options_.router = "r1";
    options_.nodes = three.nodes;
    options_.replicas = 3;
    options_.slots = 64;
  }

  void Start() {
    gate_ = std::make_unique<ServingGate>();
    data_ = std::make_unique<FakeDataPlane>();
    membership_ = std::make_unique<Membership>(options_, clock_, store_, *data_, *gate_, Random(3),
                                               [this](Status why) { fatal_ = std::move(why); });
    membership_->Start();
  }

  // Lets the time of the next retry come.
  void Retry() {
    ASSERT_NE(membership_->NextDue(), kNever);
    clock_.Set(membership_->NextDue());
    membership_->RunDue();
  }

  v1::RegisterRequest Request(const std::string& node, int port, uint64_t boot = 0,
                              uint64_t nonce = 1) {
    v1::RegisterRequest request;
    request.set_format_version(1);
    request.set_node(node);
    request.set_address("127.0.0.1:" + std::to_string(port));
    request.set_store_uuid(std::string(16, 'a'));
    request.set_boot(boot);
    request.set_nonce(nonce);
    return request;
  }

  v1::RegisterReply Register(v1::RegisterRequest request) {
    v1::RegisterReply answer;
    membership_->Register(std::move(request), [&](Result<v1::RegisterReply> reply) {
      ASSERT_TRUE(reply.ok()) << reply.status().ToString();
      answer = *reply;
    });
    return answer;
  }

  // An order to add a node that waits; `added_` is the answer.
  void Add(const std::string& node, int port) {
    MigrationStart add;
    add.change.mutable_add_node()->set_node(node);
    add.change.mutable_add_node()->set_address("127.0.0.1:" + std::to_string(port));
    membership_->StartChange(add, [this](Result<uint64_t> id) { added_ = std::move(id); });
  }

  int64_t Learners() const {
    const auto& rows = membership_->view()->state->slots();
    return std::count_if(rows.begin(), rows.end(), [](const auto& r) { return r.has_learner(); });
  }

  // The copy of slot 9 on n2 is given up.
  AcceptedLoss LossOfACopy() const {
    AcceptedLoss loss;
    loss.slot = SlotId(9);
    for (const v1::ReplicaRef& replica : membership_->view()->state->slots()[9].replicas()) {
      (replica.node() == "n2" ? loss.given_up : loss.kept).push_back(replica);
    }
    return loss;
  }

  std::optional<Result<uint64_t>> added_;
  SimulatedClock clock_;
  SimulatedMetadata store_;
  MembershipOptions options_;
  std::unique_ptr<ServingGate> gate_;
  std::unique_ptr<FakeDataPlane> data_;
  std::unique_ptr<Membership> membership_;
  Status fatal_;
};

}  // namespace ringkv
