#include "client/retry_rules.h"

#include <algorithm>
#include <string>

namespace ringkv {
namespace {

StatusCode CodeOf(v1::ErrorCode code) {
  switch (code) {
    case v1::ERROR_CODE_OK:
      return StatusCode::kOk;
    case v1::ERROR_CODE_NOT_FOUND:
      return StatusCode::kNotFound;
    case v1::ERROR_CODE_CONDITION_FAILED:
      return StatusCode::kConditionFailed;
    case v1::ERROR_CODE_INVALID_ARGUMENT:
      return StatusCode::kInvalidArgument;
    case v1::ERROR_CODE_NOT_AN_INTEGER:
      return StatusCode::kInvalidArgument;
    case v1::ERROR_CODE_UNAVAILABLE:
      return StatusCode::kUnavailable;
    case v1::ERROR_CODE_OVERLOADED:
      return StatusCode::kOverloaded;
    case v1::ERROR_CODE_DEADLINE:
      return StatusCode::kDeadline;
    case v1::ERROR_CODE_TIMED_OUT:
      return StatusCode::kUnknownOutcome;
    case v1::ERROR_CODE_REFUSED:
      return StatusCode::kRefused;
    case v1::ERROR_CODE_CORRUPTION:
      return StatusCode::kCorruption;
    default:
      return StatusCode::kInternal;
  }
}

std::string Message(const v1::OpStatus& answer) {
  if (!answer.message().empty()) return answer.message();
  return "the router gave no reason (" + v1::ErrorCode_Name(answer.code()) + ")";
}

Verdict JudgeRead(const v1::OpStatus& answer) {
  const StatusCode code = CodeOf(answer.code());
  if (code == StatusCode::kOk) return {};
  // A read has no effect whose fate could be unknown: it ran out of time.
  if (code == StatusCode::kUnknownOutcome || answer.outcome() == v1::OUTCOME_UNKNOWN) {
    return {.retry = true, .status = Status::Deadline(Message(answer))};
  }
  const bool transient = code == StatusCode::kUnavailable || code == StatusCode::kOverloaded ||
                         code == StatusCode::kDeadline;
  return {.retry = transient, .status = Status(code, Message(answer))};
}

}  // namespace

const v1::OpStatus* StatusOf(const v1::OpResult& result) {
  switch (result.result_case()) {
    case v1::OpResult::kGet:
      return &result.get().status();
    case v1::OpResult::kPut:
      return &result.put().status();
    case v1::OpResult::kDel:
      return &result.del().status();
    case v1::OpResult::kIncrement:
      return &result.increment().status();
    case v1::OpResult::kScan:
      return &result.scan().status();
    case v1::OpResult::RESULT_NOT_SET:
      return nullptr;
  }
  return nullptr;
}

Verdict JudgeAnswer(const AttemptFacts& facts, const v1::OpStatus& answer) {
  if (facts.read) return JudgeRead(answer);

  const StatusCode code = CodeOf(answer.code());
  if (code == StatusCode::kOk && answer.outcome() == v1::OUTCOME_DONE) return {};

  const bool transient = code == StatusCode::kUnavailable || code == StatusCode::kOverloaded ||
                         code == StatusCode::kDeadline;
  // A code that says "try again" is believed only together with the outcome "not applied".
  const bool unknown = answer.outcome() == v1::OUTCOME_UNKNOWN || code == StatusCode::kOk ||
                       code == StatusCode::kUnknownOutcome ||
                       (transient && answer.outcome() != v1::OUTCOME_NOT_APPLIED);
  if (unknown) {
    return {.retry = facts.retry_unknown,
            .maybe_applied = true,
            .status = Status::UnknownOutcome(Message(answer))};
  }
  if (facts.maybe_applied && code != StatusCode::kInvalidArgument) {
    return {.retry = transient,
            .maybe_applied = true,
            .status = Status::UnknownOutcome(
                "an earlier attempt may have been applied; the last: " + Message(answer))};
  }
  return {.retry = transient, .status = Status(code, Message(answer))};
}

Verdict JudgeLoss(const AttemptFacts& facts, bool untouched, const Status& why) {
  if (untouched && !facts.maybe_applied) return {.retry = false, .status = why};
  if (facts.read) return {.retry = true, .status = Status::Unavailable(why.message())};
  return {.retry = facts.retry_unknown,
          .maybe_applied = true,
          .status = Status::UnknownOutcome(
              "the write was sent, then the connection was lost: it may or may not have been "
              "applied (" +
              why.message() + ")")};
}

Duration Backoff(int attempt, Random& random) {
  constexpr int64_t kFirstUs = 5'000;
  constexpr int64_t kMaxUs = 500'000;
  const int doublings = std::clamp(attempt - 1, 0, 10);
  const int64_t bound = std::min(kFirstUs << doublings, kMaxUs);
  return std::chrono::microseconds(bound / 2 + static_cast<int64_t>(random.Below(bound / 2 + 1)));
}

}  // namespace ringkv
