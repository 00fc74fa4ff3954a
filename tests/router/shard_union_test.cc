// R11 as scripts: no quorum votes. What the owner asks for, sends, and when it goes on.
#include "tests/router/shard_fixture.h"

namespace ringkv {
namespace {

const Peer kD(3);

class ShardUnionTest : public ShardTest {
 protected:
  ShardUnionTest() {
    syncs_shown_ = true;
    shard_.OnNeedTerm([this](TermRequest request) { asked_.push_back(std::move(request)); });
  }

  // D is a learner of the row.
  SlotGrant RowWithLearner(uint64_t epoch) {
    if (!balancer_.Find("n4").ok()) {
      EXPECT_TRUE(balancer_.RegisterServer("n4", "n4:7500").ok());
      shard_.AddPeer(kD, NodeId::Parse("n4").value(), "n4:7500");
    }
    SlotGrant row;
    row.slot = SlotId(0);
    row.epoch = epoch;
    for (uint32_t i = 0; i < kNodes; ++i) row.replicas.push_back({Peer(i), Incarnation(1)});
    row.learner = ReplicaGrant{kD, Incarnation(2)};
    row.replaced = ReplicaGrant{kA, Incarnation(1)};
    return row;
  }

  void TakeRowUnder(uint32_t term, const SlotGrant& row) {
    GroupGrant group;
    group.group = GroupId(0);
    group.term = Term(term);
    group.owner = OwnerId(term * 11);
    group.predecessor_gone = true;
    group.slots.push_back(row);
    shard_.TakeGroup(group);
  }

  void TakeUnder(uint32_t term, std::vector<bool> given_up = {}, bool accepted = false) {
    SlotGrant slot;
    slot.slot = SlotId(0);
    slot.loss_accepted = accepted;
    for (uint32_t i = 0; i < kNodes; ++i) {
      ReplicaGrant replica{Peer(i), Incarnation(1)};
      if (i < given_up.size() && given_up[i]) {
        replica.inc = Incarnation(2);
        replica.in_place_of_lost = true;
      }
      slot.replicas.push_back(replica);
    }
    TakeRowUnder(term, slot);
  }

  int PullsInUnion() {
    int pulls = 0;
    for (Peer peer : {kA, kB, kC}) pulls += LastPull(peer).pull().in_union() ? 1 : 0;
    return pulls;
  }

  // What the node answers to the contact that was made.
  enum class Copy { kVotes, kLostTail, kUnknown };
  void AnswerContact(Peer peer, const v1::ReplicaOp& contact, Copy copy, Boot boot) {
    v1::ReplicaOpReply reply;
    reply.set_voting(copy == Copy::kVotes);
    reply.mutable_contact();
    if (copy == Copy::kLostTail) reply.mutable_contact()->mutable_lost_tail()->set_window_ms(100);
    Reply(peer, reply, contact.op(), boot);
  }

  void Introduce(Peer peer, Copy copy, Boot boot) {
    v1::ReplicaOp promise = TakeOne(peer);
    ASSERT_TRUE(promise.has_promise());
    v1::ReplicaOpReply promised;
    promised.mutable_promise();
    Reply(peer, promised, promise.op(), boot);
    v1::ReplicaOp contact = TakeOne(peer);
    ASSERT_TRUE(contact.has_contact());
    AnswerContact(peer, contact, copy, boot);
  }

  void ConnectAs(Peer peer, Copy copy, Boot boot) {
    shard_.OnConnected(peer, boot);
    Introduce(peer, copy, boot);
  }

  // The last pull that the node was sent; none: op 0.
  v1::ReplicaOp LastPull(Peer peer) {
    v1::ReplicaOp last;
    for (v1::ReplicaOp& op : Take(peer)) {
      if (op.has_pull()) last = std::move(op);
    }
    return last;
  }

  void AnswerPull(Peer peer, const v1::ReplicaOp& pull, std::vector<std::string> reported,
                  Boot boot) {
    v1::ReplicaOpReply reply;
    v1::PullReply* answer = reply.mutable_pull();
    answer->set_id(pull.pull().id());
    answer->set_state(v1::PULL_STATE_DONE);
    answer->set_steps(1);
    if (pull.pull().reports_taken() == 0) {
      for (const std::string& key : reported) answer->add_reported(key);
    }
    answer->set_reports_from(pull.pull().reports_taken());
    answer->set_reports_total(reported.size());
    Reply(peer, reply, pull.op(), boot);
  }

  BlockedBy Blocked() { return shard_.Describe(SlotId(0)).blocked; }

  std::vector<TermRequest> asked_;
};

TEST_F(ShardUnionTest, AnswersWhyASlotIsBlocked) {
  TakeUnder(7);
  ConnectAs(kA, Copy::kLostTail, Boot(2));
  ConnectAs(kB, Copy::kLostTail, Boot(2));
  EXPECT_EQ(Blocked(), BlockedBy::kAbsence);
  EXPECT_EQ(shard_.DescribeBlocked().size(), 1u);
  EXPECT_EQ(shard_.Report().some_blocked.size(), 1u);
  ConnectAs(kC, Copy::kUnknown, Boot(2));
  EXPECT_EQ(Blocked(), BlockedBy::kUnion);
}

TEST_F(ShardUnionTest, QuorumOfCopiesThatMayLackAnythingWaitsForAnOperator) {
  TakeUnder(7);
  ConnectAs(kA, Copy::kLostTail, Boot(2));
  ConnectAs(kB, Copy::kUnknown, Boot(2));
  ConnectAs(kC, Copy::kUnknown, Boot(2));
  EXPECT_EQ(Blocked(), BlockedBy::kLoss);
  Advance(std::chrono::milliseconds(1000));
  for (Peer peer : {kA, kB, kC}) EXPECT_EQ(Take(peer).size(), 0u);
  EXPECT_TRUE(asked_.empty());
}

TEST_F(ShardUnionTest, OwnerThatHasSentNothingBeginsAtOnceAndServesNobodyMeanwhile) {
  TakeUnder(7);
  for (Peer peer : {kA, kB, kC}) ConnectAs(peer, Copy::kLostTail, Boot(2));
  Advance(std::chrono::milliseconds(20));
  EXPECT_TRUE(asked_.empty());
  // Two compare themselves with the third, which answers without a vote.
  int pulls = 0;
  for (Peer peer : {kA, kB, kC}) {
    v1::ReplicaOp pull = LastPull(peer);
    if (!pull.has_pull()) continue;
    EXPECT_TRUE(pull.pull().in_union());
    EXPECT_TRUE(pull.pull().compare_only());
    ++pulls;
  }
  EXPECT_EQ(pulls, 2);
  // Nobody is served meanwhile.
  const uint64_t refused = Get("k");
  ASSERT_TRUE(Done(refused));
  EXPECT_EQ(results_[refused].get().status().code(), v1::ERROR_CODE_UNAVAILABLE);
}

TEST_F(ShardUnionTest, ReadsAllAndReinstatesNobodyBeforeAllHaveIt) {
  TakeUnder(7);
  for (Peer peer : {kA, kB, kC}) ConnectAs(peer, Copy::kLostTail, Boot(2));
  Advance(std::chrono::milliseconds(20));
  std::map<Peer, v1::ReplicaOp> pulls;
  for (Peer peer : {kA, kB, kC}) {
    v1::ReplicaOp pull = LastPull(peer);
    if (pull.has_pull()) pulls[peer] = pull;
  }
  std::vector<std::string> reported = {"k"};
  for (const auto& [peer, pull] : pulls)
    AnswerPull(peer, pull, std::exchange(reported, {}), Boot(2));
  auto answer = [&](Peer peer, uint64_t seq, const std::string& value) {
    for (const v1::ReplicaOp& op : Take(peer)) {
      if (!op.has_read()) continue;
      v1::ReplicaOpReply reply;  // without a vote
      v1::Record* record = reply.mutable_read()->mutable_record();
      record->mutable_version()->set_term(5);
      record->mutable_version()->set_seq(seq);
      record->set_value(value);
      Reply(peer, reply, op.op(), Boot(2));
    }
  };
  answer(kA, 1, "old");
  answer(kC, 1, "old");
  // Without the third answer nothing is decided.
  Advance(std::chrono::milliseconds(100));
  for (Peer peer : {kA, kC}) {
    for (const v1::ReplicaOp& op : Take(peer)) EXPECT_FALSE(op.has_apply());
  }
  answer(kB, 2, "newest");
  std::map<Peer, v1::ReplicaOp> applies;
  for (Peer peer : {kA, kB, kC}) {
    for (const v1::ReplicaOp& op : Take(peer)) {
      if (op.has_apply()) applies[peer] = op;
    }
    ASSERT_TRUE(applies[peer].has_apply());
    EXPECT_EQ(applies[peer].apply().record().value(), "newest");
    EXPECT_EQ(applies[peer].apply().record().version().term(), 7u);
    EXPECT_EQ(applies[peer].apply().record().origin().seq(), 2u);
  }
  Acknowledge(kA, applies[kA], Boot(2), /*voting=*/false);
  Acknowledge(kB, applies[kB], Boot(2), /*voting=*/false);
  auto reinstated = [&](Peer peer, bool answer_it) {
    bool told = false;
    for (const v1::ReplicaOp& op : Take(peer)) {
      if (op.has_pull()) {
        const bool told_k = op.pull().reports_taken() == 1;
        AnswerPull(peer, op, told_k ? std::vector<std::string>{"k"} : std::vector<std::string>{},
                   Boot(2));
      }
      if (!op.has_reinstate()) continue;
      told = true;
      EXPECT_EQ(op.reinstate().boot(), 2u);
      v1::ReplicaOpReply reply;
      reply.set_voting(true);
      if (answer_it) Reply(peer, reply, op.op(), Boot(2));
    }
    return told;
  };
  Advance(std::chrono::milliseconds(60));
  for (Peer peer : {kA, kB, kC}) EXPECT_FALSE(reinstated(peer, false));
  Acknowledge(kC, applies[kC], Boot(2), /*voting=*/false);
  std::set<Peer> told;
  for (int i = 0; i < 10; ++i) {
    Advance(std::chrono::milliseconds(30));
    for (Peer peer : {kA, kB, kC}) {
      if (reinstated(peer, true)) told.insert(peer);
    }
  }
  EXPECT_EQ(told.size(), 3u);
  EXPECT_EQ(Blocked(), BlockedBy::kNothing);
  EXPECT_EQ(shard_.stats().unions, 1u);
  EXPECT_EQ(shard_.stats().union_window_ms, 100u);
}

TEST_F(ShardUnionTest, OwnerThatHasSentWritesAsksForAFreshTermAndEndsWhatWasGoingOn) {
  TakeSlot(/*first_term=*/true);
  ConnectAll();
  const uint64_t put = Put("k", "v");
  for (Peer peer : {kA, kB, kC}) (void)Take(peer);
  for (Peer peer : {kA, kB, kC}) shard_.OnDisconnected(peer);
  for (Peer peer : {kA, kB, kC}) ConnectAs(peer, Copy::kLostTail, Boot(2));
  Advance(std::chrono::milliseconds(300));
  ASSERT_EQ(asked_.size(), 1u);
  EXPECT_EQ(asked_[0].group, GroupId(0));
  EXPECT_EQ(asked_[0].term, Term(7));
  EXPECT_EQ(asked_[0].slots, std::vector<SlotId>{SlotId(0)});
  EXPECT_FALSE(Done(put));
  for (Peer peer : {kA, kB, kC}) (void)Take(peer);
  TakeUnder(9);
  ASSERT_TRUE(Done(put));
  EXPECT_EQ(results_[put].put().status().outcome(), v1::OUTCOME_UNKNOWN);
  for (Peer peer : {kA, kB, kC}) Introduce(peer, Copy::kLostTail, Boot(2));
  Advance(std::chrono::milliseconds(20));
  int pulls = 0;
  for (Peer peer : {kA, kB, kC}) pulls += LastPull(peer).has_pull() ? 1 : 0;
  EXPECT_EQ(pulls, 2);
  EXPECT_EQ(asked_.size(), 1u);
}

TEST_F(ShardUnionTest, ReplicaThatStartsAgainMeansAnotherFreshTerm) {
  TakeUnder(7);
  for (Peer peer : {kA, kB, kC}) ConnectAs(peer, Copy::kLostTail, Boot(2));
  Advance(std::chrono::milliseconds(20));
  for (Peer peer : {kA, kB, kC}) (void)Take(peer);
  shard_.OnDisconnected(kB);
  ConnectAs(kB, Copy::kLostTail, Boot(3));
  Advance(std::chrono::milliseconds(300));
  EXPECT_EQ(asked_.size(), 1u);
  // Not with every look.
  Advance(std::chrono::milliseconds(1000));
  EXPECT_EQ(asked_.size(), 1u);
}

TEST_F(ShardUnionTest, LearnerOfAnEarlierTermIsDroppedFirst) {
  TakeRowUnder(7, RowWithLearner(1));
  for (Peer peer : {kA, kB, kC}) ConnectAs(peer, Copy::kLostTail, Boot(2));
  Advance(std::chrono::milliseconds(300));
  EXPECT_EQ(PullsInUnion(), 0);
  ASSERT_EQ(asked_.size(), 1u);
  EXPECT_EQ(asked_[0].slots, std::vector<SlotId>{SlotId(0)});
}

// The mover does not know that the slot is blocked, and is faster than the union's turn comes: were
// the group taken again for it, that would never end.
TEST_F(ShardUnionTest, LearnerThatWasRecordedSinceIsEmptyAndInNobodysWay) {
  TakeUnder(7);
  shard_.AdoptRow(GroupId(0), RowWithLearner(1));
  for (Peer peer : {kA, kB, kC}) ConnectAs(peer, Copy::kLostTail, Boot(2));
  Advance(std::chrono::milliseconds(300));
  EXPECT_EQ(PullsInUnion(), 2);
  EXPECT_TRUE(asked_.empty());
}

// It has what the others may have lost.
TEST_F(ShardUnionTest, LearnerThatHasBegunToBeFilledIsDroppedFirst) {
  TakeSlot(/*first_term=*/true);
  ConnectAll();
  shard_.AdoptRow(GroupId(0), RowWithLearner(1));
  shard_.OnConnected(kD, Boot(1));
  v1::ReplicaOpReply promised;
  promised.mutable_promise();
  Reply(kD, promised, TakeOne(kD).op());
  const v1::ReplicaOp create = TakeOne(kD);
  ASSERT_TRUE(create.has_create());
  Reply(kD, v1::ReplicaOpReply(), create.op());
  AnswerContact(kD, TakeOne(kD), Copy::kUnknown, Boot(1));
  Advance(std::chrono::milliseconds(20));
  ASSERT_TRUE(LastPull(kD).has_pull());
  for (Peer peer : {kA, kB, kC, kD}) shard_.OnDisconnected(peer);
  for (Peer peer : {kA, kB, kC}) ConnectAs(peer, Copy::kLostTail, Boot(2));
  Advance(std::chrono::milliseconds(300));
  EXPECT_EQ(PullsInUnion(), 0);
  EXPECT_EQ(asked_.size(), 1u);
}

TEST_F(ShardUnionTest, AnswersOfTheFormerTermAreNobodys) {
  TakeSlot(/*first_term=*/true);
  ConnectAll();
  const uint64_t put = Put("k", "v");
  std::map<Peer, v1::ReplicaOp> applies;
  for (Peer peer : {kA, kB, kC}) applies[peer] = TakeOne(peer);
  TakeUnder(9);
  EXPECT_EQ(results_[put].put().status().outcome(), v1::OUTCOME_UNKNOWN);
  for (Peer peer : {kA, kB, kC}) Acknowledge(peer, applies[peer]);
  v1::ReplicaOpReply stale;
  stale.set_code(v1::REPLICA_CODE_STALE);
  stale.set_promised_term(9);
  Reply(kA, stale, applies[kA].op());
  for (Peer peer : {kA, kB, kC}) Introduce(peer, Copy::kVotes, Boot(1));
  EXPECT_EQ(Blocked(), BlockedBy::kNothing);
}

TEST_F(ShardUnionTest, AcceptedLossGoesOnWithWhatIsKept) {
  TakeUnder(7, {false, true, true}, /*accepted=*/true);
  ConnectAs(kA, Copy::kUnknown, Boot(2));
  for (int i = 0; i < 5; ++i) Advance(std::chrono::milliseconds(20));
  bool told = false;
  for (const v1::ReplicaOp& op : Take(kA)) {
    if (!op.has_reinstate()) continue;
    told = true;
    v1::ReplicaOpReply reply;
    reply.set_voting(true);
    Reply(kA, reply, op.op(), Boot(2));
  }
  EXPECT_TRUE(told);
  EXPECT_EQ(Blocked(), BlockedBy::kAbsence);  // one of three is no quorum
  EXPECT_EQ(shard_.stats().unions_accepted, 1u);
  // A node that has not heard of its new copy is told to make it, and is filled from the other.
  shard_.OnConnected(kB, Boot(5));
  v1::ReplicaOp promise = TakeOne(kB);
  v1::ReplicaOpReply promised;
  promised.mutable_promise();
  Reply(kB, promised, promise.op(), Boot(5));
  v1::ReplicaOp contact = TakeOne(kB);
  EXPECT_EQ(contact.inc(), 2u);
  v1::ReplicaOpReply unknown;
  unknown.set_code(v1::REPLICA_CODE_NO_INSTANCE);
  Reply(kB, unknown, contact.op(), Boot(5));
  v1::ReplicaOp create = TakeOne(kB);
  ASSERT_TRUE(create.has_create());
  EXPECT_FALSE(create.create().voting());
  EXPECT_EQ(create.inc(), 2u);
  Reply(kB, v1::ReplicaOpReply(), create.op(), Boot(5));
  Advance(std::chrono::milliseconds(260));
  for (const v1::ReplicaOp& op : Take(kB)) {
    if (op.has_contact()) AnswerContact(kB, op, Copy::kUnknown, Boot(5));
  }
  Advance(std::chrono::milliseconds(300));
  v1::ReplicaOp pull = LastPull(kB);
  ASSERT_TRUE(pull.has_pull());
  EXPECT_EQ(pull.pull().source().node(), "n1");
  EXPECT_FALSE(pull.pull().in_union());
}

// A alone is complete and votes; B and C have empty disks, and are filled from it.
class ShardFillTest : public ShardTest {
 protected:
  ShardFillTest() {
    syncs_shown_ = true;
    shard_.OnNeedTerm([this](TermRequest request) { asked_.push_back(std::move(request)); });
  }

  void LoseTwo(uint32_t slots) {
    TakeSlots(slots, true);
    ConnectAll();
    for (Peer peer : {kB, kC}) {
      shard_.OnDisconnected(peer);
      Connect(peer, Boot(2), /*voting=*/false);
    }
  }

  // So many seconds in which all nodes are heard of, and the pulls of slots below `going` make a
  // step with each question.
  void Pass(int seconds, uint32_t going) {
    for (int tenth = 0; tenth < seconds * 10; ++tenth) {
      Advance(std::chrono::milliseconds(100));
      v1::ReplicaBatchReply alive;
      alive.set_boot(1);
      shard_.OnReplies(kA, alive);
      for (Peer peer : {kB, kC}) {
        alive.set_boot(2);
        shard_.OnReplies(peer, alive);
        for (const v1::ReplicaOp& op : Take(peer)) {
          if (!op.has_pull()) continue;
          ++pulls_[op.slot()];
          v1::ReplicaOpReply reply;
          reply.mutable_pull()->set_id(op.pull().id());
          reply.mutable_pull()->set_state(v1::PULL_STATE_RUNNING);
          reply.mutable_pull()->set_steps(op.slot() < going ? ++steps_ : 0);
          Reply(peer, reply, op.op(), Boot(2));
        }
      }
    }
  }

  std::vector<TermRequest> asked_;
  std::map<uint32_t, int> pulls_;  // by slot
  uint64_t steps_ = 0;
};

TEST_F(ShardFillTest, GoesOnAsLongAsItMakesStepsAndIsGivenUpWhenItStandsStill) {
  LoseTwo(1);
  Pass(30, 1);
  EXPECT_GT(pulls_[0], 10);
  EXPECT_EQ(shard_.Describe(SlotId(0)).blocked, BlockedBy::kUnion);
  EXPECT_TRUE(asked_.empty()) << "a fresh term would forget which copy is complete";
  Pass(12, 0);
  EXPECT_FALSE(asked_.empty());
}

TEST_F(ShardFillTest, OtherSlotsOfTheGroupGetNoFreshTermMeanwhile) {
  LoseTwo(2);
  Pass(30, 1);  // slot 1 stands still
  EXPECT_GT(pulls_[1], 10);
  EXPECT_TRUE(asked_.empty());
  // An operator who gives up copies of slot 1 is told of it, too.
  ASSERT_EQ(shard_.DescribeBlocked().size(), 2u);
  EXPECT_EQ(shard_.DescribeBlocked()[1].filling, SlotId(0));
  Pass(12, 0);
  EXPECT_FALSE(asked_.empty());
  EXPECT_EQ(shard_.DescribeBlocked()[1].filling, std::nullopt);
}

}  // namespace
}  // namespace ringkv
