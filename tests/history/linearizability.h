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

// Operations that certainly had no effect and no answer are not part of a history. `max_steps`
// bounds the search, its time and
// its memory (about 60 bytes a step); kGaveUp is not a pass.
LinearizabilityVerdict CheckLinearizable(std::vector<HistoryOp> ops,
                                         uint64_t max_steps = 5'000'000);

}  // namespace ringkv
