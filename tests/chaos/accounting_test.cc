#include "tests/chaos/accounting.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringkv {
namespace {

using Outcome = ClientOperation::Outcome;
using Function = HistoryEvent::Function;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

ClientOperation Op(Function function, const std::string& key, int64_t from, int64_t to) {
  ClientOperation operation;
  operation.function = function;
  operation.key = key;
  operation.op.invoked = from;
  operation.op.answered = operation.ended_ns = to;
  return operation;
}
ClientOperation Put(const std::string& key, const std::string& value, int64_t from, int64_t to) {
  ClientOperation operation = Op(Function::kPut, key, from, to);
  operation.op.argument = value;
  return operation;
}
ClientOperation Delete(const std::string& key, int64_t from, int64_t to) {
  return Op(Function::kDelete, key, from, to);
}
ClientOperation Add(const std::string& key, int64_t delta, int64_t from, int64_t to) {
  ClientOperation operation = Op(Function::kIncrement, key, from, to);
  operation.op.delta = delta;
  return operation;
}
ClientOperation Get(const std::string& key, std::optional<std::string> value, int64_t from) {
  ClientOperation operation = Op(Function::kGet, key, from, from + 1);
  operation.op.result = std::move(value);
  return operation;
}
ClientOperation Unknown(ClientOperation operation) {
  operation.outcome = Outcome::kUnknown;
  return operation;
}

TEST(Accounting, WhatIsThereOrWasReplacedIsAccountedFor) {
  EXPECT_THAT(FindUnaccounted({Put("a", "v1", 1, 2), Get("a", "v1", 9)}), IsEmpty());
  EXPECT_THAT(FindUnaccounted({Put("a", "v1", 1, 2), Put("a", "v2", 3, 4), Get("a", "v2", 9)}),
              IsEmpty());
  EXPECT_THAT(FindUnaccounted({Put("a", "v1", 1, 2), Delete("a", 3, 4), Get("a", std::nullopt, 9)}),
              IsEmpty());
  EXPECT_THAT(FindUnaccounted({Put("a", "v1", 1, 4), Put("a", "v2", 2, 5), Get("a", "v1", 9)}),
              IsEmpty())
      << "either may have been the last";
  EXPECT_THAT(
      FindUnaccounted({Put("a", "v1", 1, 2), Unknown(Put("a", "v2", 3, 4)), Get("a", "v2", 9)}),
      IsEmpty());
}

TEST(Accounting, LostWriteIsNamed) {
  EXPECT_THAT(FindUnaccounted({Put("a", "v1", 1, 2), Get("a", std::nullopt, 9)}),
              ElementsAre(HasSubstr("v1 was acknowledged")));
  EXPECT_THAT(FindUnaccounted({Put("a", "v1", 1, 2), Put("a", "v2", 3, 4), Get("a", "v1", 9)}),
              ElementsAre(HasSubstr("v2 was acknowledged")));
  EXPECT_THAT(FindUnaccounted({Put("a", "v1", 1, 2), Delete("a", 3, 4), Get("a", "v1", 9)}),
              ElementsAre(HasSubstr("a holds v1")));
}

TEST(Accounting, OldValueIsALossAlsoWhereTheLastWritesOverlapped) {
  EXPECT_THAT(FindUnaccounted({Put("a", "v1", 1, 2), Put("a", "v2", 3, 6), Put("a", "v3", 4, 7),
                               Get("a", "v1", 9)}),
              ElementsAre(HasSubstr("v2 was acknowledged")));
}

TEST(Accounting, ValueThatNobodyWroteIsNamed) {
  ClientOperation refused = Put("a", "v2", 3, 4);
  refused.outcome = Outcome::kNotApplied;
  EXPECT_THAT(FindUnaccounted({Put("a", "v1", 1, 2), refused, Get("a", "v2", 9)}),
              ElementsAre(HasSubstr("which nobody wrote")));
}

TEST(Accounting, CounterAddsUpGiveOrTakeTheUnknown) {
  EXPECT_THAT(FindUnaccounted({Add("c", 2, 1, 2), Add("c", 3, 3, 4), Get("c", "5", 9)}), IsEmpty());
  EXPECT_THAT(FindUnaccounted({Add("c", 2, 1, 2), Unknown(Add("c", 3, 3, 4)), Get("c", "5", 9)}),
              IsEmpty());
  EXPECT_THAT(FindUnaccounted({Add("c", 2, 1, 2), Unknown(Add("c", 3, 3, 4)), Get("c", "2", 9)}),
              IsEmpty());
  EXPECT_THAT(FindUnaccounted({Unknown(Add("c", 3, 3, 4)), Get("c", std::nullopt, 9)}), IsEmpty());
  EXPECT_THAT(FindUnaccounted({Add("c", 2, 1, 2), Add("c", 3, 3, 4), Get("c", "8", 9)}),
              ElementsAre(HasSubstr("add up to 5")))
      << "an increment that was applied twice";
  EXPECT_THAT(FindUnaccounted({Add("c", 2, 1, 2), Add("c", 3, 3, 4), Get("c", "3", 9)}),
              ElementsAre(HasSubstr("add up to 5")));
  EXPECT_THAT(FindUnaccounted({Add("c", 2, 1, 2), Get("c", "two", 9)}),
              ElementsAre(HasSubstr("not a number")));
}

TEST(Accounting, KeyThatWasNotReadAtTheEndIsNotAccountedFor) {
  EXPECT_THAT(FindUnaccounted({Put("a", "v1", 1, 2)}), ElementsAre(HasSubstr("could not be read")));
  EXPECT_THAT(FindUnaccounted({Get("a", "v1", 1), Put("a", "v1", 3, 4)}),
              ElementsAre(HasSubstr("could not be read")));
}

}  // namespace
}  // namespace ringkv
