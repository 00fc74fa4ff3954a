// history.jsonl: what each client of a run did and what came of it, one JSON object a line, in
// order of time. docs/chaos.md describes the fields; outside checkers read it too.
#pragma once

#include <cstdint>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "tests/history/linearizability.h"

namespace ringkv {

struct HistoryEvent {
  enum class Type { kInvoke, kOk, kFail, kInfo };
  enum class Function { kGet, kPut, kDelete, kCas, kIncrement };

  int64_t process = 0;
  Type type = Type::kInvoke;
  Function function = Function::kGet;
  std::string key;
  // What was read or is to be written, or an increment's delta or sum. nullopt: null.
  std::optional<std::string> value;
  bool number = false;                  // write `value` as a number, if it is one
  std::optional<std::string> expected;  // kCas; nullopt: the key must not be there
  std::optional<bool> found;            // kDelete, kOk: whether the key was there
  std::string error;                    // kFail, kInfo: the reason
  int64_t time_ns = 0;

  bool operator==(const HistoryEvent&) const = default;
};

// The error of a kFail whose condition was looked at and did not hold.
inline constexpr const char* kConditionFailed = "condition failed";

std::string ToJsonLine(const HistoryEvent& event);
Result<HistoryEvent> ParseHistoryLine(const std::string& line);

// Thread-safe: gives each event its time as it takes it, so that lines and times are in one order.
class HistoryWriter {
 public:
  static Result<std::unique_ptr<HistoryWriter>> Create(const std::string& path, const Clock& clock);
  // Returns the event's time. Its effect, if it is an invocation, must begin after that.
  int64_t Append(HistoryEvent event);
  // Everything is in the file, or an error.
  Status Close();

 private:
  HistoryWriter(std::string path, const Clock& clock) : path_(std::move(path)), clock_(clock) {}

  const std::string path_;
  const Clock& clock_;
  std::mutex mutex_;
  std::ofstream file_;  // guarded by mutex_
};

// An error names the line.
Result<std::vector<HistoryEvent>> ReadHistory(const std::string& path);

// An invocation with its end.
struct ClientOperation {
  enum class Outcome { kDone, kConditionFailed, kNotApplied, kUnknown };
  HistoryEvent::Function function = HistoryEvent::Function::kGet;
  std::string key;
  Outcome outcome = Outcome::kDone;
  std::string error;
  int64_t ended_ns = 0;  // also where the outcome is unknown; INT64_MAX: the history ends before
  HistoryOp op;          // what the checker sees
};

// In order of their ends. Refuses a history that breaks the rules of the format: times that go
// back, two operations of one process at a time, a process that goes on after an unknown outcome, a
// value written twice.
Result<std::vector<ClientOperation>> PairOperations(const std::vector<HistoryEvent>& events);

// What the checker is given for each key: everything but what certainly had no effect and tells
// nothing.
std::map<std::string, std::vector<HistoryOp>> HistoriesByKey(
    const std::vector<ClientOperation>& operations);

}  // namespace ringkv
