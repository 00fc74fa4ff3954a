// The comparison of replicas over copies that live in memory, on a clock that moves by hand: what
// it finds, what it asks for that, and what it leaves out.
#include "router/replica_check.h"

#include <gtest/gtest.h>

#include <map>
#include <queue>
#include <set>

#include "base/random.h"
#include "kvnode/copy_digests.h"
#include "kvnode/instance_facts.h"
#include "kvnode/memory_store.h"
#include "migration/version_proto.h"

namespace ringkv {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr uint32_t kReplicas = 3;

v1::Record MakeRecord(uint64_t seq, const std::string& value) {
  v1::Record record;
  record.mutable_version()->set_term(1);
  record.mutable_version()->set_seq(seq);
  record.set_value(value);
  return record;
}

// Three nodes with a replica of every slot each, and an owner that knows all of them complete
// unless a test says otherwise.
class FakeWorld final : public CheckEnvironment {
 public:
  struct Node {
    MemoryStore store;
    bool answers = true;
    bool reachable = true;
    bool clean = true;
    int overloaded = 0;  // so many questions are refused
  };

  explicit FakeWorld(uint32_t slots) {
    for (Node& node : nodes) {
      for (uint32_t slot = 0; slot < slots; ++slot) {
        StoreBatch batch;
        batch.PutMeta(InstanceMetaName(SlotId(slot), Incarnation(1)),
                      v1::DiskInstance().SerializeAsString());
        EXPECT_TRUE(node.store.Write(batch, true).ok());
      }
    }
  }

  void Put(uint32_t node, uint32_t slot, const std::string& key, const v1::Record& record) {
    StoreBatch batch;
    batch.PutRecord({SlotId(slot), Incarnation(1), key}, record);
    EXPECT_TRUE(nodes[node].store.Write(batch, true).ok());
  }
  void PutEverywhere(uint32_t slot, const std::string& key, const v1::Record& record) {
    for (uint32_t node = 0; node < kReplicas; ++node) Put(node, slot, key, record);
  }
  void Erase(uint32_t node, uint32_t slot, const std::string& key) {
    StoreBatch batch;
    batch.EraseRecord({SlotId(slot), Incarnation(1), key});
    EXPECT_TRUE(nodes[node].store.Write(batch, true).ok());
  }

  bool Run(const ReplicaCheck& check, Duration at_most) {
    const MonoTime end = clock.Now() + at_most;
    while (!check.done() && !actions_.empty() && actions_.begin()->first.first <= end) {
      auto next = actions_.extract(actions_.begin());
      clock.Set(std::max(clock.Now(), next.key().first));
      next.mapped()();
      EXPECT_LT(++steps, 10'000'000u);
    }
    return check.done();
  }

  // ---- CheckEnvironment
  MonoTime Now() const override { return clock.Now(); }
  void After(Duration pause, std::function<void()> action) override {
    actions_.emplace(std::pair(clock.Now() + pause, ++last_action_), std::move(action));
  }
  std::string NameOf(Peer peer) const override { return "n" + std::to_string(peer.value() + 1); }
  void Describe(SlotId slot, std::function<void(SlotReport)> done) override {
    SlotReport report;
    report.slot = slot;
    for (uint32_t i = 0; i < kReplicas && slot.value() < owned_slots; ++i) {
      ReplicaReport replica;
      replica.peer = Peer(i);
      replica.inc = Incarnation(1);
      replica.reachable = nodes[i].reachable;
      replica.clean = replica.voting = nodes[i].clean;
      report.replicas.push_back(replica);
    }
    After(milliseconds(1), [done = std::move(done), report] { done(report); });
  }
  void LookAt(LookCall call) override {
    ++looks;
    most_looks = std::max(most_looks, ++looks_now_);
    if (on_look) on_look(call.key);
    After(milliseconds(2), [this, call = std::move(call)] {
      --looks_now_;
      call.done(LookNow(call));
    });
  }
  void AskDigests(Peer peer, v1::DigestRangesRequest request,
                  std::function<void(Result<v1::DigestRangesReply>)> done) override {
    ++questions;
    if (on_digest) on_digest(peer);
    Answer<v1::DigestRangesRequest, v1::DigestRangesReply>(peer, request, done, &AnswerDigests);
  }
  void AskRecords(Peer peer, v1::ListRecordsRequest request,
                  std::function<void(Result<v1::ListRecordsReply>)> done) override {
    ++lists;
    Answer<v1::ListRecordsRequest, v1::ListRecordsReply>(peer, request, done, &AnswerRecords);
  }

  std::array<Node, kReplicas> nodes;
  uint32_t owned_slots = UINT32_MAX;
  std::set<std::string> behind_at_n3;  // the owner knows
  std::function<void(const std::string& key)> on_look;
  std::function<void(Peer)> on_digest;
  uint64_t looks = 0, most_looks = 0, questions = 0, lists = 0, steps = 0;
  SimulatedClock clock;

 private:
  KeyLook LookNow(const LookCall& call) {
    KeyLook look;
    look.status.set_outcome(v1::OUTCOME_DONE);
    for (uint32_t i = 0; i < kReplicas; ++i) {
      CopyLook copy;
      copy.peer = Peer(i);
      copy.inc = Incarnation(1);
      copy.complete = nodes[i].clean && nodes[i].reachable;
      copy.behind = i == 2 && behind_at_n3.count(call.key) != 0;
      if (nodes[i].answers && nodes[i].reachable) {
        const RecordKey key{call.slot, Incarnation(1), call.key};
        RecordLookup found;
        nodes[i].store.MultiGet({&key, 1}, {&found, 1});
        copy.state = !found.status.ok() ? CopyLook::State::kUnreadable
                     : found.found      ? CopyLook::State::kHolds
                                        : CopyLook::State::kAbsent;
        copy.version = FromProto(found.record.version());
        copy.digest = DigestOf(call.key, &found.record);
      }
      look.copies.push_back(copy);
    }
    return look;
  }

  template <class Request, class Reply>
  void Answer(Peer peer, const Request& request, std::function<void(Result<Reply>)> done,
              Result<Reply> (*answer)(Store&, const Request&)) {
    Node& node = nodes[peer.value()];
    auto reply = std::make_shared<Result<Reply>>(Status::Deadline("it did not answer in time"));
    if (node.overloaded > 0) {
      --node.overloaded;
      *reply = Status::Overloaded("too many questions at once");
    } else if (node.answers) {
      *reply = answer(node.store, request);
    }
    After(milliseconds(5), [done = std::move(done), reply] { done(*reply); });
  }

  std::map<std::pair<MonoTime, uint64_t>, std::function<void()>> actions_;
  uint64_t last_action_ = 0;
  uint64_t looks_now_ = 0;
};

class ReplicaCheckTest : public testing::Test {
 protected:
  static constexpr uint32_t kSlots = 200;

  ReplicaCheckTest() {
    for (uint32_t slot = 0; slot < kSlots; ++slot) {
      for (int key = 0; key < 5; ++key) {
        world_.PutEverywhere(slot, "k" + std::to_string(key), MakeRecord(1, "v"));
      }
    }
  }

  v1::CheckReplicasEvent Check(Duration at_most = seconds(60)) {
    std::vector<SlotId> slots;
    for (uint32_t slot = 0; slot < kSlots; ++slot) slots.push_back(SlotId(slot));
    ReplicaCheck check(world_, slots, [] {});
    check.Start();
    EXPECT_TRUE(world_.Run(check, at_most)) << "it has no end";
    v1::CheckReplicasEvent event = check.TakeEvent();
    EXPECT_EQ(event.progress().slots_checked(), kSlots);
    return event;
  }

  FakeWorld world_{kSlots};
};

TEST_F(ReplicaCheckTest, EqualReplicasNeedNothingButDigests) {
  const v1::CheckReplicasEvent event = Check();
  EXPECT_TRUE(event.complete());
  EXPECT_EQ(event.progress().slots_equal(), kSlots);
  EXPECT_EQ(event.progress().records(), kSlots * 5u);
  EXPECT_EQ(event.progress().bytes(), kSlots * 15u);
  EXPECT_EQ(world_.lists, 0u);
  EXPECT_EQ(world_.looks, 0u);
  EXPECT_LE(world_.questions, 60u) << "many slots go into one question";
}

TEST_F(ReplicaCheckTest, NamesTheKeyTheReplicaAndBothVersions) {
  world_.Put(1, 17, "k3", MakeRecord(1, "w"));  // the version is right, the value is not
  world_.Put(2, 30, "k0", MakeRecord(4, "v"));
  world_.Erase(0, 31, "k2");
  const v1::CheckReplicasEvent event = Check();
  EXPECT_EQ(event.progress().slots_not_equal(), 3u);
  EXPECT_EQ(event.progress().slots_equal(), kSlots - 3);
  ASSERT_EQ(event.findings_size(), 3);
  std::map<uint32_t, v1::CheckFinding> by_slot;
  for (const v1::CheckFinding& finding : event.findings()) {
    EXPECT_EQ(finding.kind(), v1::FINDING_KIND_DIFFERENT);
    ASSERT_EQ(finding.copies_size(), 3);
    by_slot[finding.slot()] = finding;
  }
  EXPECT_EQ(by_slot[17].key(), "k3");
  EXPECT_EQ(by_slot[17].copies(0).digest(), by_slot[17].copies(2).digest());
  EXPECT_NE(by_slot[17].copies(0).digest(), by_slot[17].copies(1).digest());
  EXPECT_EQ(by_slot[30].copies(2).node(), "n3");
  EXPECT_EQ(by_slot[30].copies(2).version().seq(), 4u);
  EXPECT_EQ(by_slot[31].copies(0).state(), v1::CHECKED_STATE_ABSENT);
}

TEST_F(ReplicaCheckTest, OfALargeSlotOnlyWhatDiffersIsListedAndLookedAt) {
  for (int i = 10'000; i < 40'000; ++i) {
    world_.PutEverywhere(9, "large" + std::to_string(i), MakeRecord(1, "v"));
  }
  world_.Put(2, 9, "large22222", MakeRecord(1, "w"));
  const v1::CheckReplicasEvent event = Check();
  ASSERT_EQ(event.findings_size(), 1);
  EXPECT_EQ(event.findings(0).key(), "large22222");
  EXPECT_EQ(world_.lists, 3u) << "one range, at each replica";
  EXPECT_EQ(world_.looks, 2u) << "what differs is looked at twice";
}

// Against a dumb twin: every key of every copy, compared one by one.
TEST_F(ReplicaCheckTest, FindsExactlyWhatDiffersInRandomCopies) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Random random(seed);
    FakeWorld world(1);
    std::array<std::map<std::string, std::string>, kReplicas> copies;
    const int keys = static_cast<int>(random.Between(0, 3'000));
    const double chance = random.Chance(0.2) ? 0.5 : 0.003;
    for (int i = 0; i < keys; ++i) {
      const std::string key = "k" + std::to_string(random.Below(10'000));
      for (uint32_t node = 0; node < kReplicas; ++node) {
        const bool other = random.Chance(chance);
        if (other && random.Chance(0.5)) continue;  // not there
        const v1::Record record = MakeRecord(other ? random.Between(1, 3) : 2, other ? "w" : "v");
        world.Put(node, 0, key, record);
        copies[node][key] = record.SerializeAsString();
      }
    }
    std::set<std::string> expected, found;
    for (const auto& copy : copies) {
      for (const auto& [key, bytes] : copy) {
        for (auto& other : copies) {
          if (other.count(key) == 0 || other[key] != bytes) expected.insert(key);
        }
      }
    }
    ReplicaCheck check(world, {SlotId(0)}, [] {});
    check.Start();
    ASSERT_TRUE(world.Run(check, seconds(6'000))) << "seed " << seed;
    const v1::CheckReplicasEvent event = check.TakeEvent();
    EXPECT_EQ(event.progress().findings(), expected.size()) << "seed " << seed;
    for (const v1::CheckFinding& finding : event.findings()) {
      EXPECT_TRUE(found.insert(finding.key()).second) << "twice: " << finding.key();
      EXPECT_EQ(expected.count(finding.key()), 1u) << "seed " << seed << ": " << finding.key();
    }
    EXPECT_EQ(found.size(), std::min(expected.size(), ReplicaCheck::kMaxFindings));
  }
}

TEST_F(ReplicaCheckTest, KeyThatWasOnItsWayIsNoFinding) {
  world_.Put(0, 3, "k1", MakeRecord(2, "new"));
  world_.Put(1, 3, "k1", MakeRecord(2, "new"));
  world_.on_look = [this](const std::string& key) {
    EXPECT_EQ(key, "k1");
    world_.Put(2, 3, "k1", MakeRecord(2, "new"));  // it has arrived by now
  };
  const v1::CheckReplicasEvent event = Check();
  EXPECT_EQ(event.progress().slots_equal(), kSlots);
  EXPECT_EQ(event.progress().keys_looked_at(), 1u);
  EXPECT_EQ(world_.looks, 1u);
}

TEST_F(ReplicaCheckTest, ReplicaThatIsBehindGetsSecondsToCatchUpAndIsThenReported) {
  world_.behind_at_n3 = {"k1", "k2"};
  for (const char* key : {"k1", "k2"}) {
    world_.Put(0, 3, key, MakeRecord(2, "new"));
    world_.Put(1, 3, key, MakeRecord(2, "new"));
  }
  const MonoTime begun = world_.clock.Now();
  world_.on_look = [this, begun](const std::string& key) {
    if (key == "k1" && world_.clock.Now() - begun > seconds(2)) {
      world_.Put(2, 3, "k1", MakeRecord(2, "new"));
    }
  };
  const v1::CheckReplicasEvent event = Check();
  ASSERT_EQ(event.findings_size(), 1);
  EXPECT_EQ(event.findings(0).kind(), v1::FINDING_KIND_BEHIND);
  EXPECT_EQ(event.findings(0).key(), "k2");
  EXPECT_EQ(event.findings(0).copies(2).state(), v1::CHECKED_STATE_BEHIND);
  EXPECT_EQ(event.findings(0).copies(0).state(), v1::CHECKED_STATE_HOLDS);
  EXPECT_LT(world_.clock.Now() - begun, seconds(15));
}

TEST_F(ReplicaCheckTest, UnreadableRecordIsNamed) {
  const RecordKey key{SlotId(8), Incarnation(1), "k2"};
  ASSERT_TRUE(world_.nodes[1].store.CorruptRecord(key));
  const v1::CheckReplicasEvent event = Check();
  ASSERT_EQ(event.findings_size(), 1);
  EXPECT_EQ(event.findings(0).kind(), v1::FINDING_KIND_UNREADABLE);
  EXPECT_EQ(event.findings(0).key(), "k2");
  EXPECT_EQ(event.findings(0).copies(1).state(), v1::CHECKED_STATE_UNREADABLE);
  EXPECT_EQ(event.progress().slots_not_equal(), 1u);
}

TEST_F(ReplicaCheckTest, RecordThatNoReplicaCanReadIsNamedToo) {
  for (auto& node : world_.nodes) {
    const RecordKey key{SlotId(8), Incarnation(1), "k2"};
    ASSERT_TRUE(node.store.CorruptRecord(key));
  }
  const v1::CheckReplicasEvent event = Check();
  ASSERT_EQ(event.findings_size(), 1);
  EXPECT_EQ(event.findings(0).kind(), v1::FINDING_KIND_UNREADABLE);
}

TEST_F(ReplicaCheckTest, WhoCannotBeReachedOrIsBeingFilledIsNotComparedAndSaidSo) {
  world_.nodes[0].clean = false;
  world_.nodes[2].reachable = false;
  world_.Put(0, 3, "k1", MakeRecord(9, "not comparable"));
  const v1::CheckReplicasEvent event = Check();
  EXPECT_EQ(event.findings_size(), 0);
  EXPECT_EQ(event.progress().slots_equal(), 0u);
  EXPECT_EQ(event.progress().slots_partly(), kSlots);
  EXPECT_EQ(event.uncompared_size(), 2 * static_cast<int>(kSlots));
  EXPECT_EQ(event.uncompared(0).node(), "n1");
  EXPECT_EQ(event.uncompared(1).why(), "it cannot be reached");
}

TEST_F(ReplicaCheckTest, NodeThatFailsInTheMidstIsLeftOutAndTheOthersCompared) {
  int asked = 0;
  world_.on_digest = [&](Peer peer) {
    if (peer == Peer(1) && ++asked == 4) world_.nodes[1].answers = false;
  };
  world_.Put(2, 199, "k4", MakeRecord(3, "x"));
  const v1::CheckReplicasEvent event = Check();
  ASSERT_EQ(event.findings_size(), 1);
  EXPECT_EQ(event.findings(0).copies_size(), 2) << "n2 is not compared there";
  EXPECT_GT(event.progress().slots_partly(), 50u);
  EXPECT_GT(event.progress().slots_equal(), 20u) << "those before that";
}

TEST_F(ReplicaCheckTest, ReplicaThatLostItsDiskInTheMidstIsNoDifference) {
  world_.on_look = [this](const std::string&) { world_.nodes[1].clean = false; };
  for (uint32_t slot = 0; slot < 10; ++slot) {
    for (int key = 0; key < 5; ++key) world_.Erase(1, slot, "k" + std::to_string(key));
  }
  const v1::CheckReplicasEvent event = Check();
  EXPECT_EQ(event.findings_size(), 0) << event.findings(0).ShortDebugString();
}

TEST_F(ReplicaCheckTest, NodeThatIsAskedTooMuchIsAskedAgain) {
  world_.nodes[1].overloaded = 5;
  const v1::CheckReplicasEvent event = Check();
  EXPECT_EQ(event.progress().slots_equal(), kSlots);
}

TEST_F(ReplicaCheckTest, SlotsOfAnotherRouterAreNotCalledEqual) {
  world_.owned_slots = 100;
  const v1::CheckReplicasEvent event = Check();
  EXPECT_EQ(event.progress().slots_equal(), 100u);
  EXPECT_EQ(event.progress().slots_partly(), kSlots - 100);
}

TEST_F(ReplicaCheckTest, BoundsHoldWhereEverythingDiffers) {
  for (uint32_t slot = 0; slot < kSlots; ++slot) {
    for (int key = 0; key < 10; ++key) {
      world_.Put(2, slot, "more" + std::to_string(key), MakeRecord(1, "v"));
    }
  }
  const v1::CheckReplicasEvent event = Check(seconds(600));
  EXPECT_EQ(event.progress().findings(), kSlots * 10u);
  EXPECT_EQ(event.findings_size(), static_cast<int>(ReplicaCheck::kMaxFindings));
  EXPECT_LE(world_.most_looks, 32u);
}

TEST_F(ReplicaCheckTest, EndsWithTheObjectWhateverIsUnderWay) {
  for (uint32_t slot = 0; slot < kSlots; ++slot) world_.Put(2, slot, "x", MakeRecord(1, "v"));
  for (milliseconds when : {milliseconds(0), milliseconds(3), milliseconds(8), milliseconds(30)}) {
    FakeWorld world(4);
    for (uint32_t slot = 0; slot < 4; ++slot) world.Put(2, slot, "x", MakeRecord(1, "v"));
    auto check = std::make_unique<ReplicaCheck>(
        world, std::vector<SlotId>{SlotId(0), SlotId(1), SlotId(2), SlotId(3)}, [] {});
    check->Start();
    world.Run(*check, when);
    ReplicaCheck other(world, {}, [] {});  // never done: whatever was asked comes to its end
    check.reset();
    world.Run(other, seconds(60));
  }
}

}  // namespace
}  // namespace ringkv
