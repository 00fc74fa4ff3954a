#include "ring/id_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace ringkv {
namespace {

using Plain = std::vector<NodeIndex>;

Plain ToPlain(const IdOrder& order) { return {order.begin(), order.end()}; }

IdOrder::Place PlaceOf(const IdOrder& order, NodeIndex node) {
  return order.Search([node](NodeIndex other) { return other < node; });
}

void ExpectSame(const IdOrder& order, const Plain& plain) {
  ASSERT_EQ(order.size(), plain.size());
  EXPECT_EQ(order.empty(), plain.empty());
  EXPECT_EQ(ToPlain(order), plain);
  for (size_t i = 0; i < plain.size(); i += 7) EXPECT_EQ(order[i], plain[i]);
  if (plain.empty()) return;
  EXPECT_EQ(order.back(), plain.back());
}

TEST(IdOrder, IsEmptyAtFirstAndAfterTheLastHasLeft) {
  IdOrder order;
  ExpectSame(order, {});
  EXPECT_FALSE(order.Holds(PlaceOf(order, NodeIndex(5))));
  order.Insert(PlaceOf(order, NodeIndex(5)), NodeIndex(5));
  ExpectSame(order, {NodeIndex(5)});
  order.Erase(PlaceOf(order, NodeIndex(5)));
  ExpectSame(order, {});
}

TEST(IdOrder, FindsThePlaceBeforeTheFirstThatIsNotBefore) {
  const IdOrder order({NodeIndex(2), NodeIndex(4)});
  EXPECT_EQ(order.At(PlaceOf(order, NodeIndex(1))), NodeIndex(2));
  EXPECT_EQ(order.At(PlaceOf(order, NodeIndex(4))), NodeIndex(4));
  EXPECT_FALSE(order.Holds(PlaceOf(order, NodeIndex(5))));
}

// Beside a plain sorted vector, with copies that must not see what comes after them.
TEST(IdOrder, HoldsWhatASortedVectorHolds) {
  std::mt19937 random(1);
  Plain plain;
  for (uint32_t i = 0; i < 3000; ++i) plain.push_back(NodeIndex(4 * i));
  IdOrder order(plain);
  ExpectSame(order, plain);
  for (int round = 0; round < 12; ++round) {
    const IdOrder copy = order;
    const Plain plain_copy = plain;
    const bool growing = round % 4 != 3;
    for (int step = 0; step < 1500; ++step) {
      const NodeIndex node(random() % 12000);
      const auto at = std::lower_bound(plain.begin(), plain.end(), node);
      const IdOrder::Place place = PlaceOf(order, node);
      const bool there = at != plain.end() && *at == node;
      ASSERT_EQ(order.Holds(place) && order.At(place) == node, there);
      if (!there && growing) {
        plain.insert(at, node);
        order.Insert(place, node);
      } else if (there && !growing) {
        plain.erase(at);
        order.Erase(place);
      }
    }
    ExpectSame(order, plain);
    ExpectSame(copy, plain_copy);
  }
  while (!plain.empty()) {
    const NodeIndex node = plain[random() % plain.size()];
    plain.erase(std::lower_bound(plain.begin(), plain.end(), node));
    order.Erase(PlaceOf(order, node));
  }
  ExpectSame(order, plain);
}

}  // namespace
}  // namespace ringkv
