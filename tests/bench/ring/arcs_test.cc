#include "bench/ring/schemes/arcs.h"

#include <gtest/gtest.h>

#include <cmath>

#include "bench/ring/evenness.h"
#include "bench/ring/schemes/ketama_ring.h"
#include "bench/ring/schemes/maglev.h"
#include "bench/ring/schemes/map_ring.h"
#include "bench/ring/schemes/radix_ring.h"

namespace ringkv::bench {
namespace {

constexpr uint64_t kQuarter = uint64_t{1} << 62;

// Ends of the first, second and third quarter, and of all.
Arcs Quarters(uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  return {{Token(kQuarter - 1), NodeIndex(a)},
          {Token(2 * kQuarter - 1), NodeIndex(b)},
          {Token(3 * kQuarter - 1), NodeIndex(c)},
          {Token(UINT64_MAX), NodeIndex(d)}};
}

TEST(SharesOf, AddsUpEachNodesArcs) {
  EXPECT_EQ(SharesOf(Quarters(0, 2, 0, 1), 4), (std::vector<double>{0.5, 0.25, 0.25, 0}));
  EXPECT_EQ(SharesOf(Arcs{{Token(UINT64_MAX), NodeIndex(0)}}, 1), std::vector<double>{1});
}

TEST(ChangedShare, IsWhereOwnersDiffer) {
  EXPECT_EQ(ChangedShare(Quarters(0, 1, 2, 3), Quarters(0, 1, 2, 3)), 0);
  EXPECT_EQ(ChangedShare(Quarters(0, 1, 2, 3), Quarters(0, 2, 1, 3)), 0.5);
  // Borders that are in one of them only.
  const Arcs halves = {{Token(2 * kQuarter - 1), NodeIndex(0)}, {Token(UINT64_MAX), NodeIndex(1)}};
  EXPECT_EQ(ChangedShare(halves, Quarters(0, 1, 1, 0)), 0.5);
  EXPECT_EQ(ChangedShare(Quarters(0, 1, 1, 0), halves), 0.5);
  const Arcs one = {{Token(UINT64_MAX), NodeIndex(1)}};
  EXPECT_EQ(ChangedShare(one, halves), 0.5);
}

// The arcs of a scheme say of each border what its look-ups say.
template <class Scheme>
void ExpectArcsAreTheLookups(const Scheme& scheme) {
  const Arcs arcs = scheme.OwnedArcs();
  ASSERT_EQ(arcs.back().last, Token(UINT64_MAX));
  uint64_t first = 0;
  for (const Arc& arc : arcs) {
    ASSERT_LE(first, arc.last.value());
    ASSERT_EQ(scheme.Primary(Token(first)), arc.node);
    ASSERT_EQ(scheme.Primary(arc.last), arc.node);
    first = arc.last.value() + 1;
  }
}

TEST(OwnedArcs, SayWhatLookupsSay) {
  ExpectArcsAreTheLookups(MapRing(30, 40));
  ExpectArcsAreTheLookups(KetamaRing(30, 40));
  ExpectArcsAreTheLookups(RadixRing(30, 40));
  ExpectArcsAreTheLookups(Maglev(30, 1009));
}

TEST(Shares, AreWhatRandomTokensFind) {
  const KetamaRing ring(5, 3);
  const std::vector<double> shares = SharesOf(ring.OwnedArcs(), 5);
  std::vector<double> found(5, 0);
  constexpr uint64_t kTokens = 1'000'000;
  for (NodeIndex node :
       SampledPrimaries([&](Token token) { return ring.Primary(token); }, 1, kTokens)) {
    found[node.value()] += 1.0 / kTokens;
  }
  // Ten times the greatest standard deviation of a share that so many tokens find.
  for (size_t node = 0; node < 5; ++node) {
    EXPECT_NEAR(found[node], shares[node], 10 * std::sqrt(0.25 / kTokens));
  }
}

}  // namespace
}  // namespace ringkv::bench
