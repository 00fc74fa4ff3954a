#include "router/op_status.h"

#include <utility>

namespace ringkv {
namespace {

v1::ErrorCode CodeOf(StatusCode code) {
  switch (code) {
    case StatusCode::kOk:
      return v1::ERROR_CODE_OK;
    case StatusCode::kNotFound:
      return v1::ERROR_CODE_NOT_FOUND;
    case StatusCode::kConditionFailed:
      return v1::ERROR_CODE_CONDITION_FAILED;
    case StatusCode::kInvalidArgument:
      return v1::ERROR_CODE_INVALID_ARGUMENT;
    case StatusCode::kUnavailable:
    case StatusCode::kIoError:
      return v1::ERROR_CODE_UNAVAILABLE;
    case StatusCode::kOverloaded:
      return v1::ERROR_CODE_OVERLOADED;
    case StatusCode::kDeadline:
      return v1::ERROR_CODE_DEADLINE;
    case StatusCode::kRefused:
      return v1::ERROR_CODE_REFUSED;
    case StatusCode::kCorruption:
      return v1::ERROR_CODE_CORRUPTION;
    case StatusCode::kUnknownOutcome:
    case StatusCode::kInternal:
      return v1::ERROR_CODE_INTERNAL;
  }
  return v1::ERROR_CODE_INTERNAL;
}

}  // namespace

void SetDone(v1::OpStatus* status) { status->set_outcome(v1::OUTCOME_DONE); }

void SetError(v1::OpStatus* status, v1::ErrorCode code, std::string message) {
  status->set_outcome(v1::OUTCOME_NOT_APPLIED);
  status->set_code(code);
  status->set_message(std::move(message));
}

void SetError(v1::OpStatus* status, const Status& why) {
  SetError(status, CodeOf(why.code()), why.message());
}

}  // namespace ringkv
