#include "base/config_values.h"

#include <gtest/gtest.h>

#include <array>

#include "base/address.h"
#include "base/near_miss.h"

namespace ringkv {
namespace {

TEST(DurationText, NeedsAWholeNumberAndAUnit) {
  EXPECT_EQ(*ParseDuration("100ms"), std::chrono::milliseconds(100));
  EXPECT_EQ(*ParseDuration("5 s"), std::chrono::seconds(5));
  EXPECT_EQ(*ParseDuration("2d"), std::chrono::hours(48));
  EXPECT_EQ(*ParseDuration("0"), Duration::zero());
  for (std::string bad : {"", "5", "s", "-1s", "1.5s", "1sec", "1s ", " 1s", "1  s", "106752d",
                          "99999999999999999999s"}) {
    EXPECT_FALSE(ParseDuration(bad).ok()) << bad;
  }
}

TEST(BytesText, KnowsBinaryAndDecimalUnits) {
  EXPECT_EQ(*ParseBytes("64MiB"), 64u << 20);
  EXPECT_EQ(*ParseBytes("64MB"), 64'000'000u);
  EXPECT_EQ(*ParseBytes("12"), 12u);
  EXPECT_EQ(*ParseBytes("18446744073709551615"), UINT64_MAX);
  for (std::string bad :
       {"", "MiB", "1mib", "1.5GiB", "-1", "18446744073709551616", "16777216TiB"}) {
    EXPECT_FALSE(ParseBytes(bad).ok()) << bad;
  }
}

TEST(Texts, AreReadBackAsTheyArePrinted) {
  for (uint64_t n : {uint64_t{0}, uint64_t{1}, uint64_t{1000}, uint64_t{1024}, uint64_t{65537},
                     uint64_t{64} << 20, UINT64_MAX}) {
    EXPECT_EQ(*ParseBytes(FormatBytes(n)), n) << FormatBytes(n);
  }
  for (int64_t ns : {int64_t{0}, int64_t{1}, int64_t{1500}, int64_t{60'000'000'000}, INT64_MAX}) {
    EXPECT_EQ(ParseDuration(FormatDuration(Duration(ns)))->count(), ns);
  }
  NodeEntry entry{*NodeId::Parse("n1"), "[::1]:7500", "eu-1.a", 4096};
  EXPECT_EQ(*ParseNodeEntry(FormatNodeEntry(entry)), entry);
  EXPECT_EQ(FormatDuration(std::chrono::seconds(90)), "90s");
  EXPECT_EQ(FormatDuration(std::chrono::milliseconds(-5)), "-5ms");
}

TEST(NodeEntryText, RefusesWhatDoesNotFit) {
  for (std::string bad : {"", "n1", "=h:1", "N1=h:1", "n1=h", "n1=h:1@", "n1=h:1*", "n1=h:1*4097",
                          "n1=h:1*x", "n1=h:1@a b", "n1=h:1*3@z", "n1=h:1@a@b"}) {
    EXPECT_FALSE(ParseNodeEntry(bad).ok()) << bad;
  }
}

TEST(ListText, IsSplitAtCommas) {
  using List = std::vector<std::string>;
  EXPECT_EQ(SplitList(""), List());
  EXPECT_EQ(SplitList("  "), List());
  EXPECT_EQ(SplitList("a"), List({"a"}));
  EXPECT_EQ(SplitList(" a , b,c "), List({"a", "b", "c"}));
  EXPECT_EQ(SplitList("a,,b,"), List({"a", "", "b", ""}));
}

TEST(Numbers, AreDigitsOnly) {
  EXPECT_EQ(*ParseUint("0"), 0u);
  for (std::string bad : {"", " 1", "1 ", "+1", "-1", "0x1", "1e3", "18446744073709551616"}) {
    EXPECT_FALSE(ParseUint(bad).ok()) << bad;
  }
}

TEST(AddressText, IsTakenApartAndPutTogether) {
  Result<HostPort> parsed = ParseAddress("[::1]:0", PortZero::kAllowed);
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->host, "::1");
  EXPECT_EQ(parsed->port, 0);
  EXPECT_EQ(FormatAddress("::1", 5), "[::1]:5");
  EXPECT_EQ(FormatAddress("h", 5), "h:5");
  EXPECT_FALSE(ParseAddress("h:0", PortZero::kRefused).ok());
  EXPECT_FALSE(ParseAddress("h:", PortZero::kAllowed).ok());
  EXPECT_FALSE(ParseAddress("[h]:5", PortZero::kAllowed).ok()) << "written without brackets";
}

TEST(NearMiss, IsOfferedOnlyIfItIsNear) {
  const std::array<std::string, 3> known = {"listen", "data-dir", "vnodes"};
  EXPECT_EQ(DidYouMean("lisen", known), "; did you mean 'listen'?");
  EXPECT_EQ(DidYouMean("datadir", known), "; did you mean 'data-dir'?");
  EXPECT_EQ(DidYouMean("replicas", known), "");
  EXPECT_EQ(DidYouMean("", known), "");
  EXPECT_EQ(DidYouMean(std::string(100'000, 'x'), known), "");
}

}  // namespace
}  // namespace ringkv
