// Status and Result<T>: how every fallible call of the project answers. No exception crosses a
// module's boundary. A code exists only where some caller acts on it; everything else is in the
// message, to which each caller adds its context (`Annotate`) as the error travels up.
// Values; thread-compatible.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/check.h"

namespace ringkv {

enum class StatusCode : int {
  kOk = 0,
  kNotFound,         // the thing asked for is not there
  kConditionFailed,  // a condition of the caller's did not hold
  kInvalidArgument,  // bad input: the same call will never work
  kUnavailable,      // not now; certainly not applied; try again later
  kOverloaded,       // a queue is full; certainly not applied; try again after a pause
  kDeadline,         // ran out of time; certainly not applied
  kUnknownOutcome,   // a write that may or may not have been applied
  kRefused,          // conflict, permission, or it would lose data
  kCorruption,       // stored bytes do not match their checksum
  kIoError,          // the disk or the network failed
  kInternal,         // a defect of ringkv
};

std::string_view StatusCodeName(StatusCode code);

class [[nodiscard]] Status {
 public:
  Status() = default;  // ok
  Status(StatusCode code, std::string message) : code_(code), message_(std::move(message)) {}

  static Status Ok() { return {}; }
  static Status NotFound(std::string m) { return {StatusCode::kNotFound, std::move(m)}; }
  static Status ConditionFailed(std::string m) {
    return {StatusCode::kConditionFailed, std::move(m)};
  }
  static Status InvalidArgument(std::string m) {
    return {StatusCode::kInvalidArgument, std::move(m)};
  }
  static Status Unavailable(std::string m) { return {StatusCode::kUnavailable, std::move(m)}; }
  static Status Overloaded(std::string m) { return {StatusCode::kOverloaded, std::move(m)}; }
  static Status Deadline(std::string m) { return {StatusCode::kDeadline, std::move(m)}; }
  static Status UnknownOutcome(std::string m) {
    return {StatusCode::kUnknownOutcome, std::move(m)};
  }
  static Status Refused(std::string m) { return {StatusCode::kRefused, std::move(m)}; }
  static Status Corruption(std::string m) { return {StatusCode::kCorruption, std::move(m)}; }
  static Status IoError(std::string m) { return {StatusCode::kIoError, std::move(m)}; }
  static Status Internal(std::string m) { return {StatusCode::kInternal, std::move(m)}; }

  bool ok() const { return code_ == StatusCode::kOk; }
  StatusCode code() const { return code_; }
  const std::string& message() const { return message_; }

  // "code: message", for logs.
  std::string ToString() const;

  // The same status with `context: ` before its message; ok stays ok.
  Status Annotate(std::string_view context) const;

 private:
  StatusCode code_ = StatusCode::kOk;
  std::string message_;
};

// A T, or the Status that says why there is none.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}         // NOLINT: implicit by design
  Result(Status status) : status_(std::move(status)) {  // NOLINT: implicit by design
    RINGKV_CHECK(!status_.ok(), "a Result without a value needs an error");
  }

  bool ok() const { return value_.has_value(); }
  const Status& status() const { return status_; }

  T& value() & { return Checked(), *value_; }
  const T& value() const& { return Checked(), *value_; }
  T&& value() && { return Checked(), std::move(*value_); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  void Checked() const { RINGKV_CHECK(value_.has_value(), status_.message()); }

  Status status_;
  std::optional<T> value_;
};

}  // namespace ringkv

// Leaves the enclosing function with the error, if there is one.
#define RINGKV_RETURN_IF_ERROR(expression)                                            \
  do {                                                                                \
    if (auto ringkv_status = (expression); !ringkv_status.ok()) return ringkv_status; \
  } while (false)
