// Checks that the history of one key is linearizable: that each operation can be given a moment
// between its invocation and its answer such that, one after the other, they behave as one register
// (or counter) would. Search by Wing and Gong ("Testing and verifying concurrent objects", 1993)
// with the cache of Lowe ("Testing for linearizability", 2017): a set of linearized operations and
// the state that they lead to is looked at once.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ringkv {

// What is written is there until a moment from `from` to `until` and not after (R8). That moment
// is one for all if all judge by one clock; else each operation judges by one that may be wrong,
// so that up to `skew` before and after it some find it there and some do not.
struct ExpiryWindow {
  static constexpr int64_t kUnbounded = INT64_MAX;
  int64_t from = 0;
  int64_t until = kUnbounded;
  int64_t skew = 0;
};

struct HistoryOp {
  enum class Kind {
    kGet,        // `result`: what was read
    kPut,        // writes `argument`
    kPutAbsent,  // writes `argument` if the key is absent
    kCas,        // writes `argument` if the value is `expected`
    kDelete,     // `applied` if the key was there
    kIncrement,  // adds `delta`; `result`: the sum
  };
  Kind kind = Kind::kGet;
  std::string argument;
  std::string expected;
  int64_t delta = 0;

  // Attempts at one request (R9) have its number and are operations of their own, each with a value
  // of its own, in the order of their invocation. One with `retry` that meets a value, or an
  // absence, which an earlier attempt made is done and changes nothing. 0: never sent again.
  uint64_t request = 0;
  bool retry = false;

  using Expiry = ExpiryWindow;
  std::optional<Expiry> expiry;

  std::optional<std::string> result;  // kGet, kIncrement; nullopt: absent
  bool applied = true;                // conditional: whether the condition held
  bool unknown = false;               // no answer: it may take effect at any later time, or never

  int64_t invoked = 0;   // times: any unit, one clock
  int64_t answered = 0;  // not for unknown

  int client = 0;
  std::string ToString() const;
};

struct LinearizabilityVerdict {
  enum class Code { kOk, kViolation, kGaveUp };
  Code code = Code::kOk;
  std::string explanation;  // for a violation: where no order was found any more
  uint64_t steps = 0;
};

// What an operation without an answer leaves open: a condition that it found true was true when it
// was decided, and a value that has expired since does not undo that. So it may take effect upon a
// value that is gone for everybody else, as long as nothing else was written.
//
// Of the attempts at one request: once one has taken effect, or was answered as done, none of the
// earlier ones takes effect any more.
//
// Operations that certainly had no effect and no answer are not part of a history. `max_steps`
// bounds the search, its time and
// its memory (about 60 bytes a step); kGaveUp is not a pass.
LinearizabilityVerdict CheckLinearizable(std::vector<HistoryOp> ops,
                                         uint64_t max_steps = 5'000'000);

}  // namespace ringkv
