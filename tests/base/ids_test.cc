#include "base/ids.h"

#include <gtest/gtest.h>

namespace ringkv {
namespace {

TEST(NodeId, TakesOneTo63LowerCaseLettersDigitsAndDashes) {
  EXPECT_TRUE(NodeId::Parse("n1").ok());
  EXPECT_TRUE(NodeId::Parse("0-a").ok());
  EXPECT_TRUE(NodeId::Parse(std::string(63, 'a')).ok());
  for (std::string bad : {"", "-a", "A", "n_1", "n.1", "n 1", "é"}) {
    EXPECT_EQ(NodeId::Parse(bad).status().code(), StatusCode::kInvalidArgument) << bad;
  }
  EXPECT_FALSE(NodeId::Parse(std::string(64, 'a')).ok());
}

TEST(Address, NeedsHostAndPort) {
  for (std::string good : {"127.0.0.1:7400", "node-1.example_x:1", "[::1]:65535"}) {
    EXPECT_TRUE(CheckAddress(good).ok()) << good;
  }
  for (std::string bad : {"", "host", ":7400", "host:", "host:0", "host:65536", "host:7x", "a b:1",
                          "host:-1", "::1:80"}) {
    EXPECT_EQ(CheckAddress(bad).code(), StatusCode::kInvalidArgument) << bad;
  }
}

TEST(Version, OrdersByTermThenSeq) {
  EXPECT_LT((Version{Term(1), 9}), (Version{Term(2), 1}));
  EXPECT_LT((Version{Term(2), 1}), (Version{Term(2), 2}));
}

TEST(Version, ReadsBackWhatItPrints) {
  Version version{Term(7), 18446744073709551615u};
  EXPECT_EQ(*ParseVersion(version.ToString()), version);
  for (std::string bad : {"", "1", "1.", ".1", "1.2.3", "a.b", "-1.2", "4294967296.1"}) {
    EXPECT_FALSE(ParseVersion(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace ringkv
