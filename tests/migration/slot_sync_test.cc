// Both ends of a sync: a target goes through its keys with a source, answer by answer.
#include <gtest/gtest.h>

#include <set>

#include "base/random.h"
#include "migration/range_digest.h"
#include "migration/slot_pull.h"
#include "migration/slot_source.h"
#include "tests/migration/map_copy.h"

namespace ringkv {
namespace {

constexpr Term kTerm(9);

Version V(uint32_t term, uint64_t seq) { return {Term(term), seq}; }

v1::Pull Order(uint64_t boot = 3) {
  v1::Pull order;
  order.set_id(1);
  order.mutable_source()->set_node("a");
  order.mutable_source()->set_inc(1);
  order.mutable_source()->set_boot(boot);
  return order;
}

v1::ReplicaOpReply Answer(MapCopy& source, const v1::ReplicaOp& question) {
  v1::ReplicaOpReply reply;
  reply.set_attempt(question.attempt());
  Status status = question.has_sync_ranges()
                      ? AnswerRanges(source, question.sync_ranges(), reply.mutable_sync_ranges())
                      : AnswerDiff(source, question.sync_diff(), reply.mutable_sync_diff());
  EXPECT_TRUE(status.ok()) << status.ToString();
  return reply;
}

// Goes on until the pull asks nothing more; what was reported is taken as it comes. Returns the
// number of questions.
size_t RunPull(SlotPull& pull, v1::Pull order, MapCopy& source, MapCopy& target,
               std::set<std::string>* reported, size_t most_questions = SIZE_MAX) {
  size_t questions = 0;
  for (int idle = 0; idle < 3 && questions < most_questions; ++idle) {
    v1::ReplicaOp question;
    while (questions < most_questions && pull.NextQuestion(target, &question).value()) {
      ++questions;
      EXPECT_TRUE(
          pull.OnAnswer(Boot(order.source().boot()), Answer(source, question), target).ok());
      question.Clear();
      idle = 0;
    }
    v1::PullReply reply;
    pull.Describe(&reply);
    for (const std::string& key : reply.reported()) reported->insert(key);
    if (reply.reported_size() > 0) idle = 0;
    order.set_reports_taken(reply.reports_from() + static_cast<uint64_t>(reply.reported_size()));
    pull.OnOrder(order);
  }
  return questions;
}

TEST(SlotSync, EqualCopiesCostADigestForEachRange) {
  MapCopy source, target;
  for (int i = 0; i < 10'000; ++i) source.Put("key" + std::to_string(i), V(8, i + 1), "value");
  target.records = source.records;
  SlotPull pull(kTerm, Order());
  std::set<std::string> reported;
  size_t questions = RunPull(pull, Order(), source, target, &reported);
  EXPECT_TRUE(pull.done());
  EXPECT_TRUE(reported.empty());
  EXPECT_LE(questions, 6u);  // of 2 048 records each
  EXPECT_EQ(target.bytes_taken, 0u);
}

TEST(SlotSync, EmptyTargetIsFilledAndOnlyRecordsTravel) {
  MapCopy source, target;
  uint64_t bytes = 0;
  for (int i = 0; i < 5000; ++i) {
    std::string key = "key" + std::to_string(i);
    source.Put(key, V(8, i + 1), std::string(1000, 'v'));
    bytes += key.size() + 1000;
  }
  SlotPull pull(kTerm, Order());
  std::set<std::string> reported;
  size_t questions = RunPull(pull, Order(), source, target, &reported);
  EXPECT_TRUE(pull.done());
  EXPECT_EQ(target.bytes_taken, bytes);
  EXPECT_LE(questions, 10u);  // 5 MB in answers of 1 MiB
  EXPECT_EQ(target.records.size(), source.records.size());
}

TEST(SlotSync, AFewMissingRecordsMoveFewBytes) {
  MapCopy source, target;
  for (int i = 0; i < 10'000; ++i)
    source.Put("key" + std::to_string(i), V(8, i + 1), std::string(1000, 'v'));
  target.records = source.records;
  for (int i = 0; i < 10'000; i += 100) target.records.erase("key" + std::to_string(i));
  SlotPull pull(kTerm, Order());
  std::set<std::string> reported;
  RunPull(pull, Order(), source, target, &reported);
  EXPECT_TRUE(pull.done());
  EXPECT_LE(target.bytes_taken, 100u * 1010u);
  EXPECT_EQ(target.records.size(), source.records.size());
}

TEST(SlotSync, WhatIsHigherHereFromAnOlderTermIsReportedAndStays) {
  MapCopy source, target;
  source.Put("a", V(7, 1), "old");
  target.Put("a", V(7, 2), "more");
  target.Put("b", V(7, 3), "only here");
  target.Put("c", V(9, 4), "of this term");  // the owner knows of it
  SlotPull pull(kTerm, Order());
  std::set<std::string> reported;
  RunPull(pull, Order(), source, target, &reported);
  EXPECT_TRUE(pull.done());
  EXPECT_EQ(reported, (std::set<std::string>{"a", "b"}));
  EXPECT_EQ(target.At("a"), V(7, 2));
  EXPECT_EQ(target.At("b"), V(7, 3));
  EXPECT_EQ(target.At("c"), V(9, 4));
}

TEST(SlotSync, LeftoverBelowTheSourcesStableGivesWay) {
  MapCopy source, target;
  source.w = V(7, 10);
  source.Put("a", V(7, 5), "committed");
  target.Put("a", V(7, 6), "never committed");
  target.Put("b", V(7, 7), "never committed either");
  SlotPull pull(kTerm, Order());
  std::set<std::string> reported;
  RunPull(pull, Order(), source, target, &reported);
  EXPECT_TRUE(reported.empty());
  EXPECT_EQ(target.At("a"), V(7, 5));
  EXPECT_TRUE(target.records["b"].tombstone());
}

// ScanLimits::above: what the source shows of a key at or below W may be what it has long replaced.
TEST(SlotSync, LeftoverDoesNotGiveWayToOneThatTheSourceHasReplaced) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    MapCopy source, target;
    source.leaves_out = Random(seed);
    source.w = V(8, 100);
    target.w = V(8, 50);
    source.Put("k", V(8, 10), "committed");
    ToProto(V(8, 40), source.replaced["k"].mutable_version());
    source.replaced["k"].set_value("replaced");
    target.Put("k", V(8, 70), "leftover");
    SlotPull pull(kTerm, Order());
    std::set<std::string> reported;
    RunPull(pull, Order(), source, target, &reported);
    ASSERT_TRUE(pull.done());
    EXPECT_EQ(target.records["k"].value(), "committed") << "seed " << seed;
  }
}

TEST(SlotSync, OnlyWhatLiesAboveTheSmallerStableIsCompared) {
  MapCopy source, target;
  source.w = V(8, 100);
  target.w = V(8, 50);
  source.Put("below", V(8, 40), "not looked at");
  source.Put("above", V(8, 60), "taken");
  SlotPull pull(kTerm, Order());
  std::set<std::string> reported;
  RunPull(pull, Order(), source, target, &reported);
  EXPECT_EQ(target.At("below"), Version{});
  EXPECT_EQ(target.At("above"), V(8, 60));
}

TEST(SlotSync, WhatTheSourceCollectedBecomesATombstoneAtItsFloor) {
  MapCopy source, target;
  source.f = V(8, 30);
  target.Put("deleted long ago", V(8, 20), "back from the dead");
  SlotPull pull(kTerm, Order());
  std::set<std::string> reported;
  RunPull(pull, Order(), source, target, &reported);
  EXPECT_TRUE(reported.empty());
  EXPECT_TRUE(target.records["deleted long ago"].tombstone());
  EXPECT_EQ(target.At("deleted long ago"), V(8, 30));
  EXPECT_EQ(target.f, V(8, 30));
}

TEST(SlotSync, AnswersOfAnotherBootOrAttemptAreDropped) {
  MapCopy source, target;
  source.Put("a", V(8, 1), "x");
  SlotPull pull(kTerm, Order(3));
  v1::ReplicaOp question;
  ASSERT_TRUE(pull.NextQuestion(target, &question).value());
  v1::ReplicaOpReply answer = Answer(source, question);
  EXPECT_TRUE(pull.OnAnswer(Boot(4), answer, target).ok());
  v1::ReplicaOp none;
  EXPECT_FALSE(pull.NextQuestion(target, &none).value());  // it still waits
  for (int i = 0; i < 8; ++i) pull.OnOrder(Order(3));
  ASSERT_TRUE(pull.NextQuestion(target, &question).value());  // asked again
  EXPECT_TRUE(pull.OnAnswer(Boot(3), answer, target).ok());   // of the first attempt
  EXPECT_FALSE(pull.NextQuestion(target, &none).value());
}

TEST(SlotSync, UnreadableSourceIsToldAndAskedAgainLater) {
  MapCopy source, target;
  SlotPull pull(kTerm, Order());
  v1::ReplicaOp question;
  ASSERT_TRUE(pull.NextQuestion(target, &question).value());
  v1::ReplicaOpReply answer;
  answer.set_attempt(question.attempt());
  answer.set_code(v1::REPLICA_CODE_CORRUPTION);
  EXPECT_TRUE(pull.OnAnswer(Boot(3), answer, target).ok());
  v1::PullReply state;
  pull.Describe(&state);
  EXPECT_EQ(state.trouble(), v1::REPLICA_CODE_CORRUPTION);
  EXPECT_FALSE(pull.NextQuestion(target, &question).value());
  pull.OnOrder(Order());
  pull.OnOrder(Order());
  EXPECT_TRUE(pull.NextQuestion(target, &question).value());
}

TEST(SlotSync, RecordThatTheSourceCannotReadIsReportedAndHoldsNothingUp) {
  MapCopy source, target;
  for (int i = 100; i < 300; ++i) source.Put("k" + std::to_string(i), {Term(3), 1}, "v");
  target.Put("k150", {Term(3), 1}, "v");
  source.damaged = {"k150", "k299"};
  SlotPull pull(kTerm, Order());
  std::set<std::string> reported;
  RunPull(pull, Order(), source, target, &reported);
  EXPECT_TRUE(pull.done());
  EXPECT_EQ(reported, (std::set<std::string>{"k150", "k299"}));
  EXPECT_EQ(target.records.size(), 199u);
  EXPECT_EQ(target.At("k150"), (Version{Term(3), 1})) << "what is here stays";
}

// Below the floor it would read as collected (seed 1796094631510).
TEST(SlotSync, FloorIsLeftToTheOwnerWhileSomethingIsLackingThatTheSourceCannotRead) {
  MapCopy source, target;
  source.f = V(8, 30);
  source.Put("damaged", V(8, 20), "acknowledged");
  source.Put("intact", V(8, 31), "v");
  source.damaged = {"damaged"};
  SlotPull pull(kTerm, Order());
  std::set<std::string> reported;
  RunPull(pull, Order(), source, target, &reported);
  EXPECT_TRUE(pull.done());
  EXPECT_EQ(reported, std::set<std::string>{"damaged"});
  EXPECT_EQ(target.f, Version{});
  v1::PullReply state;
  pull.Describe(&state);
  EXPECT_EQ(FromProto(state.floor_left()), V(8, 30));
}

// That owner knows what it sent and whom it has not reached yet, but not what a source cannot read.
TEST(SlotSync, RecordThatTheSourceCannotReadIsReportedAlsoWhereTheTargetHasOneOfTheOwners) {
  MapCopy source, target;
  source.Put("k", V(9, 12), "missed");
  source.damaged = {"k"};
  target.Put("k", V(9, 9), "stale");
  SlotPull pull(kTerm, Order());
  std::set<std::string> reported;
  RunPull(pull, Order(), source, target, &reported);
  EXPECT_TRUE(pull.done());
  EXPECT_EQ(reported, std::set<std::string>{"k"});
}

// What the source has may be older than what was damaged.
TEST(SlotSync, RecordThatTheTargetCannotReadIsReportedAndLeftToTheOwner) {
  MapCopy source, target;
  for (int i = 100; i < 300; ++i) {
    source.Put("k" + std::to_string(i), {Term(3), 1}, "v");
    target.Put("k" + std::to_string(i), {Term(3), 1}, "v");
  }
  target.Put("only here", {Term(3), 1}, "v");
  target.damaged = {"k150", "only here"};
  for (bool compare_only : {true, false}) {
    v1::Pull order = Order();
    order.set_compare_only(compare_only);
    SlotPull pull(kTerm, order);
    std::set<std::string> reported;
    RunPull(pull, order, source, target, &reported);
    EXPECT_TRUE(pull.done());
    EXPECT_EQ(reported, (std::set<std::string>{"k150", "only here"}));
    EXPECT_EQ(target.damaged, (std::set<std::string>{"k150", "only here"}));
  }
}

// The dumb twin: record by record.
struct Expectation {
  std::map<std::string, Version> versions;
  std::set<std::string> reported;
};

Expectation Expect(const MapCopy& source, const MapCopy& target, bool compare_only) {
  Expectation expected;
  const Version above = CompareAbove(source.w, target.w, source.f, target.f);
  std::set<std::string> keys;
  for (const auto& [key, record] : source.records) keys.insert(key);
  for (const auto& [key, record] : target.records) keys.insert(key);
  for (const std::string& key : keys) {
    const Version there = source.At(key), here = target.At(key);
    Version result = here;
    if (there > here && there > above) {
      if (compare_only) expected.reported.insert(key);
      if (!compare_only) result = there;
    } else if (here > there && here > above) {
      const bool replaced = !compare_only && here <= source.w;
      if (replaced) result = there;
      if (!replaced && (compare_only || here.term != kTerm)) expected.reported.insert(key);
    }
    expected.versions[key] = result;
  }
  return expected;
}

TEST(SlotSync, DoesWhatTheDumbTwinDoes) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    Random random(seed);
    MapCopy source, target;
    if (random.Chance(0.6)) source.w = V(8, random.Between(1, 400));
    if (random.Chance(0.6)) target.w = V(8, random.Between(1, 400));
    const size_t keys = random.Between(0, random.Chance(0.1) ? 6000 : 300);
    for (size_t i = 0; i < keys; ++i) {
      std::string key = "k" + std::to_string(random.Below(100'000));
      const Version version = V(random.Chance(0.1) ? 9 : 8, random.Between(1, 400));
      const int who = static_cast<int>(random.Below(6));
      std::string value(random.Chance(0.02) ? 300'000 : 10, 'v');
      if (who != 0) source.Put(key, version, value);
      if (who != 1) target.Put(key, who == 2 ? V(8, random.Between(1, 400)) : version, value);
      for (MapCopy* copy : {&source, &target}) {
        if (!random.Chance(0.2) || version.term != Term(8)) continue;
        v1::Record& before = copy->replaced[key];
        ToProto(V(8, version.seq + random.Between(1, 100)), before.mutable_version());
        before.set_value("replaced");
      }
    }
    v1::Pull order = Order();
    order.set_compare_only(random.Chance(0.3));
    const Expectation expected = Expect(source, target, order.compare_only());
    SlotPull pull(kTerm, order);
    std::set<std::string> reported;
    // Half way it may go on with another source that has the same.
    if (random.Chance(0.5)) {
      RunPull(pull, order, source, target, &reported, random.Below(5));
      v1::PullReply state;
      pull.Describe(&state);
      for (const std::string& key : state.reported()) reported.insert(key);
      order.mutable_source()->set_node("b");
      order.set_reports_taken(state.reports_from() + static_cast<uint64_t>(state.reported_size()));
      pull.OnOrder(order);
    }
    RunPull(pull, order, source, target, &reported);
    ASSERT_TRUE(pull.done()) << "seed " << seed;
    ASSERT_EQ(reported, expected.reported) << "seed " << seed;
    for (const auto& [key, version] : expected.versions) {
      ASSERT_EQ(target.At(key), version) << key << ", seed " << seed;
    }
  }
}

}  // namespace
}  // namespace ringkv
