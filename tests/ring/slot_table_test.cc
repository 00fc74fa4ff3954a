#include "ring/slot_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

namespace ringkv {
namespace {

ReplicaRow Row(std::initializer_list<uint32_t> nodes) {
  std::vector<NodeIndex> row;
  for (uint32_t node : nodes) row.push_back(NodeIndex(node));
  return ReplicaRow(row);
}

TEST(ReplicaRow, KeepsUpToSevenOfTheGreatestIndexes) {
  std::vector<NodeIndex> nodes;
  for (uint32_t i = 0; i < kMaxReplicas; ++i) {
    nodes.push_back(NodeIndex(kMaxNodeIndexes - 1 - i));
    const ReplicaRow row(nodes);
    EXPECT_EQ(std::vector<NodeIndex>(row.begin(), row.end()), nodes);
  }
}

TEST(ReplicaRow, ChangesOnePlaceAndNoOther) {
  ReplicaRow row = Row({1, 2, 3, 4});
  row.Set(1, NodeIndex(kMaxNodeIndexes - 1));
  EXPECT_EQ(row, Row({1, kMaxNodeIndexes - 1, 3, 4}));
  row.Swap(0, 3);
  EXPECT_EQ(row, Row({4, kMaxNodeIndexes - 1, 3, 1}));
  EXPECT_TRUE(row.Contains(NodeIndex(3)));
  EXPECT_FALSE(row.Contains(NodeIndex(2)));
}

TEST(SlotTable, TakesEightBytesASlotUpToThreeReplicas) {
  EXPECT_EQ(SlotTable(4096, 1).bytes(), 4096u * 8);
  EXPECT_EQ(SlotTable(4096, 3).bytes(), 4096u * 8);
  EXPECT_EQ(SlotTable(4096, 6).bytes(), 4096u * 16);
  EXPECT_EQ(SlotTable(4096, 7).bytes(), 4096u * 24);
}

TEST(SlotTable, ACopyDoesNotSeeWhatChangesLater) {
  SlotTable table(16384, 3);
  table.SetRow(SlotId(5000), Row({1, 2, 3}));
  const SlotTable copy = table;
  table.SetRow(SlotId(5000), Row({4, 5, 6}));
  table.SetRow(SlotId(5001), Row({7, 8, 9}));
  EXPECT_EQ(copy.Row(SlotId(5000)), Row({1, 2, 3}));
  EXPECT_EQ(copy.Row(SlotId(5001)), Row({0, 0, 0}));
  EXPECT_EQ(table.Row(SlotId(5000)), Row({4, 5, 6}));
  EXPECT_EQ(table.Primary(SlotId(5001)), NodeIndex(7));
}

// Several copies change and go in any order; each is compared with a plain map of what was set.
void CheckCopies(uint32_t slots, uint32_t replicas) {
  std::mt19937 random(replicas);
  using Plain = std::map<uint32_t, ReplicaRow>;
  const ReplicaRow zeros(std::vector<NodeIndex>(replicas, NodeIndex(0)));
  std::vector<std::pair<SlotTable, Plain>> tables;
  tables.emplace_back(SlotTable(slots, replicas), Plain());
  for (int step = 0; step < 2000; ++step) {
    const size_t one = random() % tables.size();
    if (step % 20 == 0 && tables.size() < 8) {
      tables.push_back(tables[one]);
    } else if (step % 37 == 0 && tables.size() > 1) {
      tables.erase(tables.begin() + static_cast<std::ptrdiff_t>(one));
    } else {
      const uint32_t slot = random() % slots;
      std::vector<NodeIndex> row;
      for (uint32_t i = 0; i < replicas; ++i) row.push_back(NodeIndex(random() % kMaxNodeIndexes));
      tables[one].first.SetRow(SlotId(slot), ReplicaRow(row));
      tables[one].second[slot] = ReplicaRow(row);
    }
  }
  const auto row_of = [&](const Plain& plain, uint32_t slot) {
    const auto found = plain.find(slot);
    return found == plain.end() ? zeros : found->second;
  };
  for (const auto& [table, plain] : tables) {
    std::vector<uint32_t> differ, expected;
    SlotTable::ForEachDifference(table, tables[0].first,
                                 [&](SlotId slot) { differ.push_back(slot.value()); });
    for (uint32_t slot = 0; slot < slots; ++slot) {
      ASSERT_EQ(table.Row(SlotId(slot)), row_of(plain, slot)) << "slot " << slot;
      if (row_of(plain, slot) != row_of(tables[0].second, slot)) expected.push_back(slot);
    }
    EXPECT_EQ(differ, expected);
    EXPECT_EQ(table == tables[0].first, expected.empty());
    EXPECT_EQ(table.fingerprint() == tables[0].first.fingerprint(), expected.empty());
    SlotTable anew(slots, replicas);
    for (const auto& [slot, row] : plain) anew.SetRow(SlotId(slot), row);
    EXPECT_EQ(table.fingerprint(), anew.fingerprint());
  }
}

TEST(SlotTable, CopiesAreIndependentWhateverTheyShare) {
  for (uint32_t replicas : {1u, 3u, 4u, 7u}) {
    CheckCopies(8192, replicas);  // one page
    CheckCopies(2 * SlotTable::kMostRowsOfOnePage, replicas);
  }
}

}  // namespace
}  // namespace ringkv
