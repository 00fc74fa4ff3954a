// kvctl's exit codes: a promise to scripts, never changed.
#pragma once

#include "base/status.h"

namespace ringkv {

inline constexpr int kExitDone = 0;
inline constexpr int kExitNo = 1;           // the answer is no: not there, condition not met
inline constexpr int kExitUsage = 2;        // wrong usage or bad input
inline constexpr int kExitUnavailable = 3;  // not available in time, nothing was changed
inline constexpr int kExitUnknown = 4;      // a write may or may not have been applied
inline constexpr int kExitRefused = 5;      // permission, conflict, would lose data

inline int ExitCodeOf(const Status& status) {
  switch (status.code()) {
    case StatusCode::kOk:
      return kExitDone;
    case StatusCode::kNotFound:
    case StatusCode::kConditionFailed:
      return kExitNo;
    case StatusCode::kInvalidArgument:
      return kExitUsage;
    case StatusCode::kUnavailable:
    case StatusCode::kOverloaded:
    case StatusCode::kDeadline:
    case StatusCode::kIoError:
      return kExitUnavailable;
    case StatusCode::kUnknownOutcome:
      return kExitUnknown;
    case StatusCode::kRefused:
    case StatusCode::kCorruption:
    case StatusCode::kInternal:
      return kExitRefused;
  }
  return kExitRefused;
}

}  // namespace ringkv
