#include "router/outstanding_ops.h"

#include <gtest/gtest.h>

#include <vector>

namespace ringkv {
namespace {

OutstandingOp To(uint32_t peer, const std::string& key = "k") {
  OutstandingOp op;
  op.peer = Peer(peer);
  op.expected.key = key;
  return op;
}

TEST(OutstandingOps, AnswerFindsItsQuestionOnce) {
  OutstandingOps ops;
  std::vector<uint64_t> ids;
  for (int i = 0; i < 100; ++i) {
    ids.push_back(ops.NextId());
    ops.Put(To(1, std::to_string(i)));
  }
  for (int i = 99; i >= 0; --i) {
    const auto op = ops.Take(ids[static_cast<size_t>(i)], Peer(1));
    ASSERT_TRUE(op.has_value());
    EXPECT_EQ(op->expected.key, std::to_string(i));
    EXPECT_FALSE(ops.Take(ids[static_cast<size_t>(i)], Peer(1)).has_value());
  }
}

TEST(OutstandingOps, LateAnswerDoesNotFindWhatHasTakenThePlace) {
  OutstandingOps ops;
  const uint64_t first = ops.NextId();
  ops.Put(To(1, "first"));
  ops.EraseIf([](const OutstandingOp&) { return true; });
  const uint64_t second = ops.NextId();
  ops.Put(To(1, "second"));
  EXPECT_NE(first, second);
  EXPECT_FALSE(ops.Take(first, Peer(1)).has_value());
  EXPECT_EQ(ops.Take(second, Peer(1))->expected.key, "second");
}

TEST(OutstandingOps, AnswerOfAnotherNodeIsNone) {
  OutstandingOps ops;
  const uint64_t id = ops.NextId();
  ops.Put(To(1));
  EXPECT_FALSE(ops.Take(id, Peer(2)).has_value());
  EXPECT_TRUE(ops.Take(id, Peer(1)).has_value());
}

TEST(OutstandingOps, ErasesThoseThatAreMeantAndNoOthers) {
  OutstandingOps ops;
  std::vector<uint64_t> ids;
  for (uint32_t i = 0; i < 10; ++i) {
    ids.push_back(ops.NextId());
    ops.Put(To(i % 2));
  }
  ops.EraseIf([](const OutstandingOp& op) { return op.peer == Peer(0); });
  for (uint32_t i = 0; i < 10; ++i) {
    EXPECT_EQ(ops.Take(ids[i], Peer(i % 2)).has_value(), i % 2 == 1);
  }
}

TEST(OutstandingOps, UnknownIdsAreNone) {
  OutstandingOps ops;
  EXPECT_FALSE(ops.Take(0, Peer(0)).has_value());
  EXPECT_FALSE(ops.Take(1, Peer(0)).has_value());
  EXPECT_FALSE(ops.Take(UINT64_MAX, Peer(0)).has_value());
}

}  // namespace
}  // namespace ringkv
