#include "ring/member_table.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <vector>

#include "ring/ring.h"
#include "tests/ring/cluster_fixture.h"

namespace ringkv {
namespace {

// Members at random indexes, over several pages; the same by a plain map.
struct Both {
  MemberTable table;
  std::map<uint32_t, Member> plain;

  void Change() {
    const auto index = *rc::gen::inRange<uint32_t>(0, 1000);
    const auto found = plain.find(index);
    if (found != plain.end() && *rc::gen::arbitrary<bool>()) {
      table.Remove(NodeIndex(index));
      plain.erase(found);
      return;
    }
    Member member = Node(index, *rc::gen::inRange<uint32_t>(1, 4));
    member.zone = *rc::gen::element<std::string>("", "a", "b");
    RC_ASSERT(table.Set(NodeIndex(index), member).ok());
    plain[index] = member;
  }

  Member At(uint32_t index) const {
    const auto found = plain.find(index);
    return found == plain.end() ? Member() : found->second;
  }
};

RC_GTEST_PROP(MemberTable, FindsWhatDiffersBetweenCopies, ()) {
  Both one;
  const auto before = *rc::gen::inRange(0, 30), after = *rc::gen::inRange(0, 10);
  for (int i = 0; i < before; ++i) one.Change();
  Both other = one;
  for (int i = 0; i < after; ++i) (*rc::gen::arbitrary<bool>() ? one : other).Change();
  std::vector<uint32_t> found, expected;
  MemberTable::ForEachDifference(one.table, other.table,
                                 [&](NodeIndex node) { found.push_back(node.value()); });
  for (uint32_t index = 0; index < 1000; ++index) {
    RC_ASSERT(one.table[NodeIndex(index)] == one.At(index));
    if (one.At(index) != other.At(index)) expected.push_back(index);
  }
  RC_ASSERT(found == expected);
  RC_ASSERT((one.table == other.table) == expected.empty());
  RC_ASSERT((one.table.fingerprint() == other.table.fingerprint()) == expected.empty());
}

RC_GTEST_PROP(MemberTable, HasTheFingerprintOfOneMadeAnew, ()) {
  Both both;
  for (int i = *rc::gen::inRange(0, 40); i > 0; --i) both.Change();
  RC_ASSERT(MemberTable::Make(both.table.ToVector()).value().fingerprint() ==
            both.table.fingerprint());
}

// The numbers are part of the wire (delta_codec.cc): they stay.
TEST(RingFingerprint, IsTheSameOnEveryMachine) {
  EXPECT_EQ(Formed(5, 3, 64).fingerprint(), 15077762928559051122u);
  EXPECT_EQ(Formed(1, 1, 16).fingerprint(), 18443545417308731495u);
}

}  // namespace
}  // namespace ringkv
