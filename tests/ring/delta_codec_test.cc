// Deltas between rings. On a failure rapidcheck prints the case that it found and
// RC_PARAMS="reproduce=…" to run it again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "ring/codec.h"
#include "ring/delta.h"
#include "ring/delta_codec.h"
#include "tests/ring/cluster_fixture.h"
#include "tests/ring/resealed.h"

namespace ringkv {
namespace {

using testing::HasSubstr;

Ring After(const Result<PlannedChange>& change) { return change.value().next; }

// Any two of these differ in another way.
std::vector<Ring> SomeRings(uint32_t slots) {
  const Ring ring = Formed(6, 3, slots);
  const Ring added = After(AddNode(ring, {Id("zz"), "[::1]:7000", "zone-1", 4096}));
  const Ring gap = After(RemoveNode(added, Id("n3")));
  const Ring refilled = After(AddNode(gap, Node(9)));
  Ring::Parts moved = ring.ToParts();  // a member at another index, an index with another member
  std::swap(moved.members[0], moved.members[5]);
  moved.members[1] = Node(77);
  Ring::Parts far = Formed(3, 3, slots).ToParts();
  far.members.resize(40);
  std::swap(far.members[2], far.members[39]);
  for (NodeIndex& node : far.rows) {
    if (node == NodeIndex(2)) node = NodeIndex(39);
  }
  return {ring,
          added,
          gap,
          refilled,
          After(SetVnodes(ring, Id("n2"), 300)),
          After(SetReplicas(ring, 1)),
          After(SetReplicas(ring, 6)),
          Ring::Make(moved).value(),
          Ring::Make(far).value(),
          Formed(1, 1, slots),
          Formed(200, 7, slots)};
}

void ExpectThere(const Ring& from, const Ring& to) {
  const std::string bytes = EncodeDelta(from, to).value();
  Result<Ring> back = ApplyDelta(from, bytes);
  ASSERT_TRUE(back.ok()) << back.status().ToString();
  EXPECT_EQ(*back, to);
  // The list by id is no part of ==.
  EXPECT_TRUE(
      std::equal(back->nodes().begin(), back->nodes().end(), to.nodes().begin(), to.nodes().end()));
}

TEST(DeltaCodec, LeadsFromAnyRingToAnyOther) {
  const std::vector<Ring> rings = SomeRings(64);
  for (size_t a = 0; a < rings.size(); ++a) {
    for (size_t b = 0; b < rings.size(); ++b) {
      SCOPED_TRACE(testing::Message() << a << " to " << b);
      ExpectThere(rings[a], rings[b]);
      // Rings that share no page, as they would after a restart.
      ExpectThere(rings[a], DecodeRing(EncodeRing(rings[b])).value());
    }
  }
}

RC_GTEST_PROP(DeltaCodec, FollowsWhatThePlannerDoes, ()) {
  const auto slots = *rc::gen::element<uint32_t>(16, 64, 256);
  Planner planner(Formed(*rc::gen::inRange<uint32_t>(3, 9), 3, slots));
  Ring follower = DecodeRing(EncodeRing(planner.ring())).value();
  const Ring first = follower;
  const auto picks = *rc::gen::container<std::vector<uint32_t>>(rc::gen::inRange(0u, 10'000u));
  uint32_t next = 100;
  for (uint32_t pick : picks) {
    const Ring& ring = planner.ring();
    const NodeId id = ring.member(ring.nodes()[pick / 4 % ring.nodes().size()]).id;
    const bool can_remove = ring.nodes().size() > ring.replicas();
    if (pick % 4 == 0) {
      (void)planner.AddNode(Node(next++)).value();
    } else if (pick % 4 == 1) {
      (void)planner.SetVnodes(id, 1 + pick % 500).value();
    } else if (pick % 4 == 2 && can_remove) {
      (void)planner.RemoveNode(id).value();
    } else {
      (void)planner.SetReplicas(1 + pick % std::min<size_t>(3, ring.nodes().size())).value();
    }
    follower = ApplyDelta(follower, EncodeDelta(follower, planner.ring()).value()).value();
    RC_ASSERT(follower == planner.ring());
  }
  RC_ASSERT(ApplyDelta(first, EncodeDelta(first, follower).value()).value() == follower);
  RC_ASSERT(ApplyDelta(follower, EncodeDelta(follower, first).value()).value() == first);
}

TEST(DeltaCodec, ManyChangedMembersLeadThereAsWell) {
  const Ring few = Formed(3, 3, 1024);
  const Ring many = Formed(500, 3, 1024);
  ExpectThere(few, many);
  ExpectThere(many, few);
}

TEST(DeltaCodec, IsAsSmallAsTheChange) {
  const Ring ring = Formed(100, 3, 4096);
  const PlannedChange added = AddNode(ring, Node(101)).value();
  EXPECT_LT(EncodeDelta(ring, added.next).value().size(), 100 + 8 * added.moves.size());
  Ring::Parts parts = ring.ToParts();
  parts.epoch = Epoch(2);
  EXPECT_LT(EncodeDelta(ring, Ring::Make(parts).value()).value().size(), 32u);
}

// One slot's order changes, and one node's vnodes.
std::pair<Ring, Ring> SmallChange() {
  const Ring from = Formed(3, 2, 16);
  Ring::Parts parts = from.ToParts();
  parts.epoch = Epoch(300);
  parts.members[1].vnodes = 7;
  std::swap(parts.rows[10], parts.rows[11]);
  return {from, Ring::Make(parts).value()};
}

// The bytes are a promise to older and newer programs.
TEST(DeltaCodec, WritesTheDocumentedLayout) {
  const auto rings = SmallChange();
  const Ring& from = rings.first;
  const Ring& to = rings.second;
  const std::string bytes = EncodeDelta(from, to).value();
  auto index = [&](uint32_t place) {
    return static_cast<char>(to.Replicas(SlotId(5))[place].value());
  };
  std::string body(
      "\x02"
      "D\x01\xac\x02\x04\x02\x02",
      8);
  body += bytes.substr(8, 8);  // the check of the base: CoversItsBase tells what is in it
  body += std::string(
      "\x01\x01\x02n2\x0d"
      "10.0.0.1:7002\x00\x07",
      21);
  body += std::string("\x01\x05\x03") + index(0) + index(1);
  EXPECT_EQ(bytes, Resealed(body + "checksum"));
}

TEST(DeltaCodec, RefusesRingsOfDifferentSlots) {
  const Status status = EncodeDelta(Formed(3, 3, 16), Formed(3, 3, 32)).status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("of 16 and of 32 slots"));
}

TEST(DeltaCodec, TellsWhichBaseItNeeds) {
  const auto rings = SmallChange();
  const Ring& from = rings.first;
  const Ring& to = rings.second;
  const std::string bytes = EncodeDelta(from, to).value();
  auto fault = [&](const Ring& base) {
    const Status status = ApplyDelta(base, bytes).status();
    EXPECT_EQ(status.code(), StatusCode::kConditionFailed) << status.ToString();
    EXPECT_THAT(status.message(), HasSubstr("needs the ring of epoch 1"));
    return status.message();
  };
  EXPECT_THAT(fault(to), HasSubstr("this one has epoch 300"));
  EXPECT_THAT(fault(Formed(3, 2, 32)), HasSubstr("this one has 32 x 2"));
  EXPECT_THAT(fault(Formed(3, 3, 16)), HasSubstr("this one has 16 x 3"));
  EXPECT_THAT(fault(Formed(4, 2, 16)), HasSubstr("is another"));
}

// Also in what the delta does not touch: of another history, the same epoch says nothing.
TEST(DeltaCodec, RefusesABaseOfTheSameEpochThatDiffersAnywhere) {
  const Ring from = Formed(10, 3, 4096);
  const std::string bytes = EncodeDelta(from, After(SetVnodes(from, Id("n1"), 129))).value();
  auto expect_refused = [&](Ring::Parts parts, const std::string& what) {
    const Status status = ApplyDelta(Ring::Make(std::move(parts)).value(), bytes).status();
    EXPECT_EQ(status.code(), StatusCode::kConditionFailed) << what << ": " << status.ToString();
    EXPECT_THAT(status.message(), HasSubstr("is another")) << what;
  };
  for (uint32_t slot = 0; slot < from.slots(); slot += 61) {
    Ring::Parts parts = from.ToParts();
    std::swap(parts.rows[3 * slot + 1], parts.rows[3 * slot + 2]);
    expect_refused(parts, "slot " + std::to_string(slot));
  }
  Ring::Parts parts = from.ToParts();
  std::swap(parts.members[4], parts.members[5]);
  expect_refused(parts, "two members in each other's place");
  parts = from.ToParts();
  parts.members.push_back(Node(99));
  expect_refused(parts, "one node more");
  for (size_t node = 0; node < from.nodes().size(); ++node) {
    parts = from.ToParts();
    parts.members[node].id = Id("other");
    expect_refused(parts, "a name");
    parts = from.ToParts();
    parts.members[node].address = "10.9.9.9:1";
    expect_refused(parts, "an address");
    parts = from.ToParts();
    parts.members[node].zone = "elsewhere";
    expect_refused(parts, "a zone");
    parts = from.ToParts();
    ++parts.members[node].vnodes;
    expect_refused(parts, "a weight");
  }
  // What is the same is accepted, however it came about.
  EXPECT_TRUE(ApplyDelta(Ring::Make(from.ToParts()).value(), bytes).ok());
}

TEST(DeltaCodec, EveryCutAndEveryFlippedBitIsCorruption) {
  const Ring from = Formed(6, 3, 64);
  const std::string bytes = EncodeDelta(from, After(AddNode(from, Node(7)))).value();
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(ApplyDelta(from, bytes.substr(0, size)).status().code(), StatusCode::kCorruption)
        << size;
  }
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_EQ(ApplyDelta(from, flipped).status().code(), StatusCode::kCorruption) << bit;
  }
}

std::string Sealed(const RingDelta& delta) {
  WireWriter out(WireKind::kDelta);
  WriteDelta(delta, &out);
  return std::move(out).Seal();
}

TEST(DeltaCodec, NamesEachFaultOfItsBytes) {
  const auto rings = SmallChange();
  const Ring& from = rings.first;
  const Ring& to = rings.second;
  const std::string good = EncodeDelta(from, to).value();
  auto fault = [&](const std::string& bytes) {
    const Status status = ApplyDelta(from, Resealed(bytes)).status();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << status.ToString();
    return status.message();
  };
  auto with = [&](size_t position, const std::string& bytes) {
    std::string bad = good;
    bad.replace(position, bytes.size(), bytes);
    return fault(bad);
  };
  EXPECT_THAT(with(0, "\x03"), HasSubstr("version 3"));
  EXPECT_THAT(with(1, "R"), HasSubstr("not an encoded delta: it is a ring"));
  EXPECT_THAT(with(5, "\x1b"), HasSubstr("134217728 slots"));
  EXPECT_THAT(with(6, "\x08"), HasSubstr("8 replicas"));
  EXPECT_THAT(with(7, std::string("\0", 1)), HasSubstr("0 replicas"));
  EXPECT_THAT(with(16, "\x7f"), HasSubstr("number of changed nodes is 127"));
  EXPECT_THAT(with(16, "\x02"), HasSubstr("a node's id"));  // reads on where the rows are
  EXPECT_THAT(with(19, "N"), HasSubstr("node id"));
  EXPECT_THAT(with(37, "\x7f"), HasSubstr("number of changed rows is 127"));
  EXPECT_THAT(with(38, "\x10"), HasSubstr("a slot is 16, at most 15"));
  EXPECT_THAT(with(39, std::string("\0", 1)), HasSubstr("slot 5 changes the places 0 of 2"));
  EXPECT_THAT(with(39, "\x04"), HasSubstr("slot 5 changes the places 4 of 2"));
  EXPECT_THAT(with(39, "\x01"), HasSubstr("bytes after its rows"));
  std::string cut = good;
  cut.erase(good.size() - 9, 1);
  EXPECT_THAT(fault(cut), HasSubstr("it ends before a replica's node"));
  cut.erase(12);
  EXPECT_THAT(fault(cut + "checksum"), HasSubstr("it ends within the fingerprint of its base"));
}

// Faults that only the base shows, under a right check of the base.
class HostileDelta : public testing::Test {
 protected:
  HostileDelta() {
    delta_.from_epoch = base_.epoch();
    delta_.to_epoch = Epoch(2);
    delta_.slots = base_.slots();
    delta_.from_replicas = delta_.to_replicas = base_.replicas();
  }

  void AddRow(uint32_t slot, uint8_t places, std::vector<NodeIndex> entered) {
    delta_.rows.push_back({SlotId(slot), places, delta_.entered.size()});
    delta_.entered.insert(delta_.entered.end(), entered.begin(), entered.end());
  }

  std::string Fault() {
    delta_.base_fingerprint = base_.fingerprint();
    const Status status = ApplyDelta(base_, Sealed(delta_)).status();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << status.ToString();
    EXPECT_THAT(status.message(), HasSubstr("not an encoded delta"));
    return status.message();
  }

  const Ring base_ = RemoveNode(Formed(4, 2, 16), Id("n2")).value().next;  // index 1 is a gap
  RingDelta delta_;
};

TEST_F(HostileDelta, ThatChangesNothingThere) {
  delta_.nodes = {{NodeIndex(0), Node(1)}};
  EXPECT_THAT(Fault(), HasSubstr("index 0 does not change"));
  delta_.nodes = {{NodeIndex(1), Member()}};
  EXPECT_THAT(Fault(), HasSubstr("index 1 does not change"));
  delta_.nodes.clear();
  AddRow(3, 2, {base_.Replicas(SlotId(3))[1]});
  EXPECT_THAT(Fault(), HasSubstr("slot 3 keeps the node of its place 1"));
}

TEST_F(HostileDelta, ThatAsksForFarIndexes) {
  delta_.nodes = {{NodeIndex(1'000'000), Node(9)}};
  EXPECT_THAT(Fault(), HasSubstr("index 1000000 leaves out some before"));
  delta_.nodes = {{NodeIndex(4), Node(9)}, {NodeIndex(5), Member()}};
  EXPECT_THAT(Fault(), HasSubstr("its last node is a gap"));
}

TEST_F(HostileDelta, WithMembersThatMakeNoRing) {
  delta_.nodes = {{NodeIndex(1), Node(1)}};
  EXPECT_THAT(Fault(), HasSubstr("node 'n1' is there twice"));
  Member nowhere = Node(9);
  nowhere.address = "nowhere";
  delta_.nodes = {{NodeIndex(1), nowhere}};
  EXPECT_THAT(Fault(), HasSubstr("node 'n9'"));
  delta_.nodes = {{NodeIndex(0), Member()}};  // its slots are still there
  EXPECT_THAT(Fault(), HasSubstr("names a node that is no member: 0"));
  // The same where many members change, which goes another way.
  for (uint32_t i = 4; i < 200; ++i) delta_.nodes.push_back({NodeIndex(i), Node(i + 1)});
  EXPECT_THAT(Fault(), HasSubstr("names a node that is no member: 0"));
  delta_.nodes[0] = {NodeIndex(0), Node(200)};
  EXPECT_THAT(Fault(), HasSubstr("node 'n200' is there twice"));
}

TEST_F(HostileDelta, WithRowsThatMakeNoRing) {
  const NodeIndex other = base_.Replicas(SlotId(3))[0];
  AddRow(3, 2, {other});
  EXPECT_THAT(Fault(), HasSubstr("slot 3 is twice on node"));
  delta_.entered[0] = NodeIndex(1);
  EXPECT_THAT(Fault(), HasSubstr("slot 3 names a node that is no member: 1"));
  delta_.entered[0] = NodeIndex(kMaxNodeIndexes - 1);
  EXPECT_THAT(Fault(), HasSubstr("slot 3 names a node that is no member"));
}

TEST_F(HostileDelta, WithReplicasThatAreMissing) {
  delta_.to_replicas = 3;
  EXPECT_THAT(Fault(), HasSubstr("more replicas for 0 of 16 slots"));
  for (uint32_t slot = 0; slot < 16; ++slot) {
    const ReplicaRow row = base_.Replicas(SlotId(slot));
    const uint32_t third = 0 + 2 + 3 - row[0].value() - row[1].value();
    AddRow(slot, 4, {NodeIndex(third)});
  }
  delta_.base_fingerprint = base_.fingerprint();
  EXPECT_TRUE(ApplyDelta(base_, Sealed(delta_)).ok());  // as it should be, up to here
  delta_.rows[7].places = 1;
  EXPECT_THAT(Fault(), HasSubstr("slot 7 lacks a replica"));
}

// What a hostile sender can make of a good delta is refused, or a delta like any other.
TEST(DeltaCodec, SurvivesMutationsBehindRightChecks) {
  const uint64_t seed = 20240608;
  Random random(seed);
  const Ring base = Formed(6, 3, 64);
  const std::vector<Ring> rings = SomeRings(64);
  size_t accepted = 0;
  for (int round = 0; round < 50'000; ++round) {
    std::string bytes = EncodeDelta(base, rings[random.Below(rings.size())]).value();
    for (uint64_t i = random.Between(1, 3); i > 0; --i) {
      bytes[random.Between(2, bytes.size() - 9)] = static_cast<char>(random.Below(8));
    }
    if (random.Chance(0.2)) bytes.erase(random.Below(bytes.size() - 12), random.Between(1, 4));
    bytes = Resealed(bytes);
    WireReader in(bytes, WireKind::kDelta);
    RingDelta delta = ReadDelta(&in);
    if (in.ok()) {
      ASSERT_EQ(Sealed(delta), bytes) << "seed " << seed << " round " << round;
      if (delta.slots == base.slots() && delta.from_replicas == base.replicas()) {
        delta.from_epoch = base.epoch();
        delta.base_fingerprint = base.fingerprint();
        bytes = Sealed(delta);
      }
    }
    const Result<Ring> ring = ApplyDelta(base, bytes);
    if (!ring.ok()) continue;
    ++accepted;
    ASSERT_EQ(Ring::Make(ring->ToParts()).value(), *ring) << "seed " << seed << " round " << round;
    ASSERT_EQ(EncodeDelta(base, *ring).value(), bytes) << "seed " << seed << " round " << round;
  }
  EXPECT_GT(accepted, 1000u);
}

}  // namespace
}  // namespace ringkv
