#include "router/client_request.h"

#include <gtest/gtest.h>

#include <functional>

#include "base/limits.h"

namespace ringkv {
namespace {

constexpr uint64_t kNowMs = 1'700'000'000'000;

v1::Op Put(std::function<void(v1::PutRequest*)> edit) {
  v1::Op op;
  op.set_id(9);
  op.mutable_put()->set_key("k");
  edit(op.mutable_put());
  return op;
}

std::string Why(const v1::Op& op) {
  Status status = CheckOp(op, kNowMs);
  if (status.ok()) return "";
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  return status.message();
}

TEST(CheckOp, TakesWhatIsWithinLimits) {
  EXPECT_EQ(Why(Put([](auto* p) { p->set_key(std::string(kMaxKeyBytes, 'k')); })), "");
  EXPECT_EQ(Why(Put([](auto* p) { p->set_value(std::string(kMaxValueBytes, 'v')); })), "");
  EXPECT_EQ(Why(Put([](auto* p) { p->set_key(std::string("\0\xff", 2)); })), "");
  EXPECT_EQ(Why(Put([](auto* p) { p->set_ttl_ms(kMinTtlMs); })), "");
  EXPECT_EQ(Why(Put([](auto* p) { p->set_ttl_ms(kMaxTtlMs); })), "");
  EXPECT_EQ(Why(Put([](auto* p) { p->set_expires_at_ms(1); })), "");  // a copy of what has expired
  EXPECT_EQ(Why(Put([](auto* p) { p->mutable_if_version(); })), "");
  EXPECT_EQ(Why(Put([](auto* p) {
              p->set_retry(true);
              p->mutable_request_id()->set_client(1);
            })),
            "");
}

TEST(CheckOp, NamesTheLimitThatIsBroken) {
  auto has = [](const v1::Op& op, const std::string& part) {
    EXPECT_NE(Why(op).find(part), std::string::npos) << Why(op);
  };
  has(Put([](auto* p) { p->clear_key(); }), "key");
  has(Put([](auto* p) { p->set_key(std::string(kMaxKeyBytes + 1, 'k')); }), "4097");
  has(Put([](auto* p) { p->set_value(std::string(kMaxValueBytes + 1, 'v')); }), "8388609");
  has(Put([](auto* p) { p->set_ttl_ms(kMinTtlMs - 1); }), "TTL");
  has(Put([](auto* p) { p->set_ttl_ms(kMaxTtlMs + 1); }), "TTL");
  has(Put([](auto* p) { p->set_expires_at_ms(kNowMs + kMaxTtlMs + 1); }), "10 years");
  has(Put([](auto* p) { p->set_ttl_ms(5000), p->set_expires_at_ms(kNowMs); }), "only one");
  has(Put([](auto* p) { p->set_if_absent(true), p->mutable_if_version(); }), "only one");
  has(Put([](auto* p) { p->set_retry(true); }), "request_id");
  v1::Op op;
  has(op, "empty");
  op.mutable_get();
  has(op, "key");
  op.mutable_del()->set_key("");
  has(op, "key");
  op.mutable_increment()->set_retry(true);
  has(op, "key");
  op.mutable_increment()->set_key("k");
  has(op, "request_id");
}

TEST(CheckBatch, HasABoundOnOperationsAndBytes) {
  EXPECT_TRUE(CheckBatch(kMaxBatchRequestOps, kMaxBatchRequestBytes).ok());
  EXPECT_EQ(CheckBatch(kMaxBatchRequestOps + 1, 1).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(CheckBatch(1, kMaxBatchRequestBytes + 1).code(), StatusCode::kInvalidArgument);
}

TEST(TimeoutOf, HasADefaultAndACap) {
  using std::chrono::milliseconds;
  v1::Op op;
  op.mutable_get()->set_key("k");
  EXPECT_EQ(TimeoutOf(op, kDefaultCallTimeout), kDefaultCallTimeout);
  op.mutable_get()->set_timeout_ms(70);
  EXPECT_EQ(TimeoutOf(op, kDefaultCallTimeout), milliseconds(70));
  op.mutable_get()->set_timeout_ms(UINT32_MAX);
  EXPECT_EQ(TimeoutOf(op, kDefaultCallTimeout), kMaxCallTimeout);
}

TEST(RefuseOp, AnswersInKindAndUnderTheSameId) {
  v1::Op op = Put([](auto*) {});
  v1::OpResult result = RefuseOp(op, v1::ERROR_CODE_UNAVAILABLE, "why");
  EXPECT_EQ(result.id(), 9u);
  ASSERT_TRUE(result.has_put());
  EXPECT_EQ(result.put().status().outcome(), v1::OUTCOME_NOT_APPLIED);
  EXPECT_EQ(StatusOf(result).message(), "why");
  op.mutable_scan();
  EXPECT_TRUE(RefuseOp(op, v1::ERROR_CODE_UNAVAILABLE, "").has_scan());
  op.clear_op();
  EXPECT_TRUE(RefuseOp(op, v1::ERROR_CODE_INVALID_ARGUMENT, "").has_get());
}

TEST(Names, AreShortAndLowerCase) {
  EXPECT_EQ(CodeName(v1::ERROR_CODE_NOT_FOUND), "not_found");
  EXPECT_EQ(KindName(v1::OpResult::kDel), "delete");
}

}  // namespace
}  // namespace ringkv
