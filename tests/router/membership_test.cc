// The control loop against a simulated metadata store: what it does when that answers, fails,
// forgets to answer, or belongs to somebody else by now.
#include "tests/router/membership_fixture.h"

namespace ringkv {
namespace {

using Fault = SimulatedMetadata::Fault;

TEST_F(MembershipTest, FormsTheClusterAndOwnsIt) {
  Start();
  ASSERT_TRUE(membership_->serving()) << gate_->why_closed();
  EXPECT_TRUE(gate_->open());
  EXPECT_EQ(gate_->layout().slots, 64u);
  EXPECT_EQ(data_->peers.size(), 3u);
  EXPECT_EQ(data_->peers["n2"].address, "127.0.0.1:7510");
  EXPECT_EQ(data_->peers["n2"].cluster_uuid.size(), 16u);
  EXPECT_EQ(data_->lease_until, kNever);
  ASSERT_EQ(data_->grants.size(), 64u);
  std::set<uint32_t> slots;
  for (const GroupGrant& grant : data_->grants) {
    EXPECT_TRUE(grant.first_term);
    EXPECT_TRUE(grant.predecessor_gone);
    EXPECT_NE(grant.owner, OwnerId());
    for (const SlotGrant& slot : grant.slots) {
      slots.insert(slot.slot.value());
      EXPECT_EQ(slot.replicas.size(), 3u);
    }
  }
  EXPECT_EQ(slots.size(), 64u);
  EXPECT_NE(membership_->view()->state, nullptr);
}

TEST_F(MembershipTest, StartedAgainTakesOverUnderNewTerms) {
  Start();
  const Term before = data_->grants[0].term;
  options_.nodes.clear();  // the metadata alone says what the cluster is
  options_.replicas = 5;
  Start();
  ASSERT_TRUE(membership_->serving());
  EXPECT_GT(data_->grants[0].term, before);
  EXPECT_FALSE(data_->grants[0].first_term);
  EXPECT_EQ(data_->peers.size(), 3u);
  EXPECT_EQ(membership_->view()->state->placement().replicas(), 3u);
}

TEST_F(MembershipTest, CannotFormAClusterOfABadConfiguration) {
  options_.nodes.pop_back();
  Start();
  EXPECT_EQ(fatal_.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(fatal_.message().find("fewer than `replicas`"), std::string::npos);
  EXPECT_FALSE(gate_->open());
  EXPECT_TRUE(store_.contents().empty());
}

TEST_F(MembershipTest, DoesNotTouchMetadataThatMakesNoSense) {
  auto contents = std::make_shared<SimulatedMetadata::Contents>();
  (*contents)["cluster"] = "\xff";
  store_ = SimulatedMetadata(contents);
  Start();
  EXPECT_EQ(fatal_.code(), StatusCode::kCorruption);
  EXPECT_EQ(contents->size(), 1u);
}

TEST_F(MembershipTest, AsksAgainWhileTheStoreDoesNotAnswer) {
  store_.Inject(Fault::kUnavailable, 3);
  Start();
  EXPECT_FALSE(gate_->open());
  EXPECT_NE(gate_->why_closed().find("metadata store does not answer"), std::string::npos);
  EXPECT_EQ(Register(Request("n1", 7500)).outcome(), v1::REGISTER_OUTCOME_TRY_AGAIN);
  for (int i = 0; i < 3; ++i) Retry();
  EXPECT_TRUE(membership_->serving());
}

TEST_F(MembershipTest, EveryLostAnswerOnTheWayUpIsOvercome) {
  // The n-th operation of the start (list, form, list, take) meets the fault.
  for (Fault fault : {Fault::kLostApplied, Fault::kLostNotApplied, Fault::kUnavailable}) {
    for (int nth = 0; nth < 4; ++nth) {
      store_ = SimulatedMetadata();
      store_.SetManual(true);
      Start();
      for (int i = 0; i < nth; ++i) ASSERT_TRUE(store_.Step());
      store_.Inject(fault, 1);
      for (int i = 0; i < 30 && !membership_->serving(); ++i) {
        if (!store_.Step()) Retry();
      }
      EXPECT_TRUE(membership_->serving()) << "operation " << nth << ": " << gate_->why_closed();
      EXPECT_TRUE(fatal_.ok()) << fatal_.ToString();
      EXPECT_EQ(data_->grants.size(), 64u);
      // What the shards were given is what the store has.
      for (const GroupGrant& grant : data_->grants) {
        v1::GroupOwnership stored;
        stored.ParseFromString(store_.contents().at(GroupName(grant.group)));
        EXPECT_EQ(stored.owner(), grant.owner.value());
        EXPECT_EQ(stored.term(), grant.term.value());
        EXPECT_EQ(stored.first_term() == stored.term(), grant.first_term);
      }
    }
  }
}

TEST_F(MembershipTest, LosesTheRaceToFormAndTakesWhatIsThere) {
  auto contents = std::make_shared<SimulatedMetadata::Contents>();
  store_ = SimulatedMetadata(contents);
  store_.SetManual(true);
  Start();
  ASSERT_TRUE(store_.Step());  // finds nothing, wants to form
  auto other = FormCluster(ThreeNodes(128));
  contents->insert(other->puts.begin(), other->puts.end());
  while (store_.Step()) {
  }
  EXPECT_TRUE(membership_->serving()) << gate_->why_closed();
  EXPECT_EQ(gate_->layout().slots, 128u);
}

TEST_F(MembershipTest, RegisteredNodeIsExpectedAtItsAddressBeforeItIsAnswered) {
  Start();
  bool answered = false;
  membership_->Register(Request("n1", 9999), [&](Result<v1::RegisterReply> reply) {
    answered = true;
    EXPECT_EQ(reply->outcome(), v1::REGISTER_OUTCOME_REGISTERED);
    EXPECT_EQ(data_->peers["n1"].address, "127.0.0.1:9999");
    EXPECT_EQ(data_->peers["n1"].boot, Boot(1));
    EXPECT_EQ(data_->peers["n1"].vnodes, 128u);
    EXPECT_EQ(data_->peers["n1"].store_uuid, std::string(16, 'a'));
  });
  EXPECT_TRUE(answered);
  EXPECT_EQ(membership_->view()->state->FindNode("n1")->boot(), 1u);
}

TEST_F(MembershipTest, StrangerIsRecordedAndNotConnectedTo) {
  Start();
  EXPECT_EQ(Register(Request("n9", 9999)).outcome(), v1::REGISTER_OUTCOME_NOT_A_MEMBER);
  EXPECT_FALSE(data_->peers.contains("n9"));
  EXPECT_EQ(membership_->view()->state->FindNode("n9")->state(), v1::NODE_STATE_WAITING);
}

TEST_F(MembershipTest, RegistrationWhoseAnswerWasLostIsMadeOnce) {
  for (Fault fault : {Fault::kLostApplied, Fault::kLostNotApplied}) {
    store_ = SimulatedMetadata();
    Start();
    store_.Inject(fault, 1);
    v1::RegisterReply reply = Register(Request("n1", 7500));
    EXPECT_EQ(reply.outcome(), v1::REGISTER_OUTCOME_REGISTERED) << reply.message();
    EXPECT_EQ(reply.boot(), 1u);
    EXPECT_TRUE(reply.first_disk());
    EXPECT_EQ(membership_->view()->state->FindNode("n1")->boot(), 1u);
  }
}

TEST_F(MembershipTest, UnavailableStoreMeansTryAgainAndServingGoesOn) {
  Start();
  store_.Inject(Fault::kUnavailable, 1);
  EXPECT_EQ(Register(Request("n1", 7500)).outcome(), v1::REGISTER_OUTCOME_TRY_AGAIN);
  EXPECT_TRUE(gate_->open());
  EXPECT_EQ(Register(Request("n1", 7500)).outcome(), v1::REGISTER_OUTCOME_REGISTERED);
}

TEST_F(MembershipTest, RegistrationsAreServedInTurnAndBounded) {
  options_.max_waiting = 3;
  Start();
  store_.SetManual(true);
  std::vector<v1::RegisterOutcome> outcomes;
  auto note = [&](Result<v1::RegisterReply> reply) { outcomes.push_back(reply->outcome()); };
  for (int i = 0; i < 5; ++i) {
    membership_->Register(Request("n" + std::to_string(i % 3 + 1), 7500 + 10 * (i % 3)), note);
  }
  EXPECT_EQ(outcomes, std::vector(2, v1::REGISTER_OUTCOME_TRY_AGAIN));
  while (store_.Step()) {
  }
  EXPECT_EQ(outcomes.size(), 5u);
  for (int i = 1; i <= 3; ++i) {
    EXPECT_EQ(membership_->view()->state->FindNode("n" + std::to_string(i))->boot(), 1u);
  }
}

TEST_F(MembershipTest, NodeThatAsksAgainAndAgainWaitsOnceAndGetsTheAnswerToItsLastQuestion) {
  Start();
  store_.SetManual(true);
  std::map<uint64_t, v1::RegisterReply> answers;  // by nonce
  for (uint64_t nonce = 1; nonce <= 50; ++nonce) {
    membership_->Register(Request("n1", 7500, 0, nonce), [&answers, nonce](auto reply) {
      EXPECT_TRUE(answers.emplace(nonce, *reply).second) << "answered twice";
    });
  }
  EXPECT_EQ(answers.size(), 48u) << "one is under way, and one waits";
  for (uint64_t nonce = 2; nonce < 50; ++nonce) {
    EXPECT_EQ(answers.at(nonce).outcome(), v1::REGISTER_OUTCOME_TRY_AGAIN);
  }
  const uint64_t before = store_.commits();
  while (store_.Step()) {
  }
  ASSERT_EQ(answers.size(), 50u);
  EXPECT_LE(store_.commits() - before, 2u);
  EXPECT_EQ(answers.at(1).outcome(), v1::REGISTER_OUTCOME_REGISTERED);
}

TEST_F(MembershipTest, StopsWhenAnotherRouterHasTakenOver) {
  Start();
  MetadataStore::Entries entries;
  store_.List("", [&](auto listed) { entries = *listed; });
  ClusterState state = **ClusterState::Load(entries);
  Random random(9);
  store_.Commit(*TakeOwnership(state, "r2", random), [](Result<bool> done) { EXPECT_TRUE(*done); });
  // The next registration finds out.
  EXPECT_EQ(Register(Request("n1", 7500)).outcome(), v1::REGISTER_OUTCOME_TRY_AGAIN);
  EXPECT_EQ(fatal_.code(), StatusCode::kRefused);
  EXPECT_FALSE(gate_->open());
}

// ---- groups that are taken again (R11) ----

TermRequest Asked(uint32_t group, Term term) {
  TermRequest request;
  request.group = GroupId(group);
  request.term = term;
  request.slots = {SlotId(group)};
  return request;
}

// However often nodes register, whatever else there is to do goes on.
TEST_F(MembershipTest, RegistrationsRetakesAndCommandsTakeTurns) {
  Start();
  Register(Request("n4", 7530));  // waits to be added
  store_.SetManual(true);
  const Term term = data_->grants[5].term;
  data_->grants.clear();
  uint64_t nonce = 1;
  auto ask = [&](int node) {
    membership_->Register(Request("n" + std::to_string(node), 7490 + 10 * node, 0, ++nonce),
                          [](auto) {});
  };
  for (int node = 1; node <= 3; ++node) ask(node);
  membership_->NeedTerm(Asked(5, term));
  Add("n4", 7530);
  for (int step = 0; step < 5; ++step) {
    ASSERT_TRUE(store_.Step());
    for (int node = 1; node <= 3; ++node) ask(node);
  }
  EXPECT_EQ(data_->grants.size(), 1u);
  ASSERT_TRUE(added_.has_value());
  EXPECT_TRUE(added_->ok()) << added_->status().ToString();
}

TEST_F(MembershipTest, GroupIsTakenAgainUnderAFreshTermOnce) {
  Start();
  const GroupGrant before = data_->grants[5];
  const uint32_t next = membership_->view()->state->next_term();
  data_->grants.clear();
  membership_->NeedTerm(Asked(5, before.term));
  ASSERT_EQ(data_->grants.size(), 1u);
  EXPECT_EQ(data_->grants[0].group, GroupId(5));
  EXPECT_EQ(data_->grants[0].term, Term(next));
  EXPECT_NE(data_->grants[0].owner, before.owner);
  EXPECT_FALSE(data_->grants[0].first_term);
  ASSERT_EQ(data_->grants[0].slots.size(), before.slots.size());
  EXPECT_FALSE(data_->grants[0].slots[0].loss_accepted);
  // The same wish, late: it was fulfilled.
  membership_->NeedTerm(Asked(5, before.term));
  EXPECT_EQ(data_->grants.size(), 1u);
  // Registrations are told the new owner.
  v1::RegisterReply reply = Register(Request("n1", 7500));
  EXPECT_EQ(reply.promises(5).term(), next);
}

TEST_F(MembershipTest, LostAnswerToARetakeIsOvercome) {
  for (Fault fault : {Fault::kLostApplied, Fault::kLostNotApplied}) {
    store_ = SimulatedMetadata();
    Start();
    const GroupGrant before = data_->grants[5];
    data_->grants.clear();
    store_.Inject(fault, 1);
    membership_->NeedTerm(Asked(5, before.term));
    ASSERT_EQ(data_->grants.size(), 1u) << fatal_.ToString();
    v1::GroupOwnership stored;
    stored.ParseFromString(store_.contents().at(GroupName(GroupId(5))));
    EXPECT_EQ(stored.owner(), data_->grants[0].owner.value());
    EXPECT_GT(data_->grants[0].term, before.term);
    EXPECT_TRUE(fatal_.ok());
    EXPECT_TRUE(membership_->serving());
  }
}

// As etcd may: nothing was changed when it was read again, and then it was.
TEST_F(MembershipTest, RetakeThatIsAppliedAfterItWasTriedAgainIsKnown) {
  Start();
  const GroupGrant before = data_->grants[5];
  data_->grants.clear();
  store_.SetManual(true);
  store_.Inject(Fault::kLate, 1);
  membership_->NeedTerm(Asked(5, before.term));
  ASSERT_TRUE(store_.Step());  // in doubt
  ASSERT_TRUE(store_.Step());  // the metadata is as it was
  ASSERT_TRUE(store_.ApplyLate());
  ASSERT_TRUE(store_.Step());  // the second attempt finds something else
  EXPECT_TRUE(data_->grants.empty());
  ASSERT_TRUE(store_.Step());  // the metadata again
  ASSERT_EQ(data_->grants.size(), 1u);
  v1::GroupOwnership stored;
  stored.ParseFromString(store_.contents().at(GroupName(GroupId(5))));
  EXPECT_EQ(stored.owner(), data_->grants[0].owner.value());
  EXPECT_TRUE(fatal_.ok()) << fatal_.ToString();
  EXPECT_TRUE(membership_->serving());
}

// Nothing else would make the router read the metadata again.
TEST_F(MembershipTest, OrderThatTakesEffectLongAfterItWasInDoubtIsFound) {
  Start();
  Register(Request("n4", 7530));
  store_.Inject(Fault::kLate, 1);
  Add("n4", 7530);
  ASSERT_TRUE(added_.has_value());
  EXPECT_EQ(added_->status().code(), StatusCode::kUnknownOutcome);
  ASSERT_TRUE(store_.ApplyLate());
  EXPECT_TRUE(membership_->view()->state->migrations().empty());
  Retry();
  EXPECT_EQ(membership_->view()->state->migrations().size(), 1u);
  EXPECT_GT(Learners(), 0);
}

// Who registers and who gives orders does not wait for what moves, nor is it turned away for it.
TEST_F(MembershipTest, MoveThatTheStoreDoesNotTakeIsTriedAgainByItself) {
  Start();
  Register(Request("n4", 7530));
  store_.SetManual(true);
  Add("n4", 7530);
  ASSERT_TRUE(store_.Step());
  ASSERT_TRUE(added_.has_value() && added_->ok());
  ASSERT_EQ(store_.waiting(), 1u) << "learners are recorded";
  std::optional<Result<v1::RegisterReply>> registered;
  membership_->Register(Request("n1", 7500), [&](auto reply) { registered = std::move(reply); });
  store_.Inject(Fault::kUnavailable, 1);
  ASSERT_TRUE(store_.Step());
  EXPECT_FALSE(registered.has_value());
  ASSERT_TRUE(store_.Step());
  ASSERT_TRUE(registered.has_value());
  EXPECT_EQ((*registered)->outcome(), v1::REGISTER_OUTCOME_REGISTERED);
  EXPECT_EQ(store_.waiting(), 0u);
  Retry();
  EXPECT_EQ(store_.waiting(), 1u);
  ASSERT_TRUE(store_.Step());
  EXPECT_GT(Learners(), 0);
}

TEST_F(MembershipTest, StoreThatDoesNotAnswerLeavesTheGroupAsItIs) {
  Start();
  const GroupGrant before = data_->grants[5];
  data_->grants.clear();
  store_.Inject(Fault::kUnavailable, 1);
  membership_->NeedTerm(Asked(5, before.term));
  EXPECT_TRUE(data_->grants.empty());
  EXPECT_TRUE(membership_->serving());
  membership_->NeedTerm(Asked(5, before.term));  // as the shard does, after a while
  EXPECT_EQ(data_->grants.size(), 1u);
}

TEST_F(MembershipTest, AcceptedLossGivesTheCopyANewIncarnation) {
  Start();
  data_->grants.clear();
  const AcceptedLoss loss = LossOfACopy();
  const uint64_t epoch = membership_->view()->state->placement().epoch();
  Status done = Status::Internal("not called");
  membership_->AcceptLoss({loss}, [&](Status status) { done = std::move(status); });
  EXPECT_TRUE(done.ok()) << done.ToString();
  ASSERT_EQ(data_->grants.size(), 1u);
  ASSERT_EQ(data_->grants[0].slots.size(), 1u);
  const SlotGrant& slot = data_->grants[0].slots[0];
  EXPECT_TRUE(slot.loss_accepted);
  int given_up = 0;
  for (const ReplicaGrant& replica : slot.replicas) {
    const bool is_n2 = replica.peer == data_->peers["n2"].peer;
    EXPECT_EQ(replica.in_place_of_lost, is_n2);
    EXPECT_EQ(replica.inc, Incarnation(is_n2 ? 2 : 1));
    if (is_n2) ++given_up;
  }
  EXPECT_EQ(given_up, 1);
  EXPECT_GT(membership_->view()->state->placement().epoch(), epoch);
  EXPECT_EQ(membership_->view()->state->slots()[9].last_inc(), 2u);
  // What was agreed to was of another row.
  membership_->AcceptLoss({loss}, [&](Status status) { done = std::move(status); });
  EXPECT_EQ(done.code(), StatusCode::kRefused);
  EXPECT_EQ(data_->grants.size(), 1u);
}

}  // namespace
}  // namespace ringkv
