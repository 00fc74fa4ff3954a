#include "client/retry_rules.h"

#include <gtest/gtest.h>

namespace ringkv {
namespace {

v1::OpStatus Answer(v1::Outcome outcome, v1::ErrorCode code) {
  v1::OpStatus status;
  status.set_outcome(outcome);
  status.set_code(code);
  status.set_message("m");
  return status;
}

constexpr AttemptFacts kRead{.read = true};
constexpr AttemptFacts kWrite{};

TEST(RetryRules, DoneIsDone) {
  for (const AttemptFacts& facts : {kRead, kWrite}) {
    const Verdict verdict = JudgeAnswer(facts, Answer(v1::OUTCOME_DONE, v1::ERROR_CODE_OK));
    EXPECT_FALSE(verdict.retry);
    EXPECT_TRUE(verdict.status.ok());
  }
}

TEST(RetryRules, WhatWasNotAppliedIsTriedAgain) {
  for (v1::ErrorCode code : {v1::ERROR_CODE_UNAVAILABLE, v1::ERROR_CODE_OVERLOADED}) {
    EXPECT_TRUE(JudgeAnswer(kWrite, Answer(v1::OUTCOME_NOT_APPLIED, code)).retry);
    EXPECT_TRUE(JudgeAnswer(kRead, Answer(v1::OUTCOME_NOT_APPLIED, code)).retry);
  }
}

TEST(RetryRules, ACodeWithoutTheOutcomeNotAppliedIsNotBelieved) {
  const Verdict verdict =
      JudgeAnswer(kWrite, Answer(v1::OUTCOME_UNSPECIFIED, v1::ERROR_CODE_UNAVAILABLE));
  EXPECT_FALSE(verdict.retry);
  EXPECT_EQ(verdict.status.code(), StatusCode::kUnknownOutcome);
}

TEST(RetryRules, AnUnknownWriteIsNotTriedAgainUnlessAllowed) {
  const v1::OpStatus answer = Answer(v1::OUTCOME_UNKNOWN, v1::ERROR_CODE_TIMED_OUT);
  EXPECT_FALSE(JudgeAnswer(kWrite, answer).retry);
  EXPECT_EQ(JudgeAnswer(kWrite, answer).status.code(), StatusCode::kUnknownOutcome);
  EXPECT_TRUE(JudgeAnswer({.retry_unknown = true}, answer).retry);
  EXPECT_TRUE(JudgeAnswer(kRead, answer).retry);
}

TEST(RetryRules, OnceMaybeAppliedOnlyDoneIsCertain) {
  const AttemptFacts facts{.retry_unknown = true, .maybe_applied = true};
  const Verdict refused =
      JudgeAnswer(facts, Answer(v1::OUTCOME_NOT_APPLIED, v1::ERROR_CODE_UNAVAILABLE));
  EXPECT_TRUE(refused.retry);
  EXPECT_EQ(refused.status.code(), StatusCode::kUnknownOutcome);
  EXPECT_TRUE(JudgeAnswer(facts, Answer(v1::OUTCOME_DONE, v1::ERROR_CODE_OK)).status.ok());
}

TEST(RetryRules, EveryOtherCodeIsFinal) {
  const std::pair<v1::ErrorCode, StatusCode> codes[] = {
      {v1::ERROR_CODE_NOT_FOUND, StatusCode::kNotFound},
      {v1::ERROR_CODE_CONDITION_FAILED, StatusCode::kConditionFailed},
      {v1::ERROR_CODE_INVALID_ARGUMENT, StatusCode::kInvalidArgument},
      {v1::ERROR_CODE_NOT_AN_INTEGER, StatusCode::kInvalidArgument},
      {v1::ERROR_CODE_REFUSED, StatusCode::kRefused},
      {v1::ERROR_CODE_CORRUPTION, StatusCode::kCorruption},
      {v1::ERROR_CODE_INTERNAL, StatusCode::kInternal},
  };
  for (const auto& [wire, code] : codes) {
    const Verdict verdict = JudgeAnswer(kWrite, Answer(v1::OUTCOME_NOT_APPLIED, wire));
    EXPECT_FALSE(verdict.retry);
    EXPECT_EQ(verdict.status.code(), code);
  }
}

TEST(RetryRules, ALostStreamMakesWritesUnknownAndReadsAgain) {
  const Status why = Status::Unavailable("gone");
  EXPECT_TRUE(JudgeLoss(kRead, false, why).retry);
  EXPECT_FALSE(JudgeLoss(kWrite, false, why).retry);
  EXPECT_EQ(JudgeLoss(kWrite, false, why).status.code(), StatusCode::kUnknownOutcome);
  EXPECT_EQ(JudgeLoss(kWrite, true, Status::Refused("no")).status.code(), StatusCode::kRefused);
}

TEST(RetryRules, BackoffGrowsWithinItsBound) {
  Random random(1);
  for (int attempt = 1; attempt < 40; ++attempt) {
    const Duration pause = Backoff(attempt, random);
    EXPECT_GE(pause, std::chrono::microseconds(2'500));
    EXPECT_LE(pause, std::chrono::milliseconds(500));
  }
  EXPECT_LE(Backoff(1, random), std::chrono::milliseconds(5));
}

}  // namespace
}  // namespace ringkv
