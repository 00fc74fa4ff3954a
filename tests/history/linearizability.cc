#include "tests/history/linearizability.h"

#include <algorithm>
#include <charconv>
#include <unordered_set>

namespace ringkv {
namespace {

using State = std::optional<std::string>;  // nullopt: absent

int64_t AsNumber(const State& state) {
  int64_t number = 0;
  if (state) std::from_chars(state->data(), state->data() + state->size(), number);
  return number;
}

// Whether `op` may happen in `state`, and what it leaves. An unknown operation that may not have
// its effect now simply has none yet.
bool Step(const HistoryOp& op, const State& state, State* next) {
  *next = state;
  switch (op.kind) {
    case HistoryOp::Kind::kGet:
      return op.result == state;
    case HistoryOp::Kind::kPut:
      *next = op.argument;
      return true;
    case HistoryOp::Kind::kPutAbsent:
      if (op.unknown || op.applied) {
        if (state) return false;
        *next = op.argument;
        return true;
      }
      return state.has_value();
    case HistoryOp::Kind::kCas:
      if (op.unknown || op.applied) {
        if (state != op.expected) return false;
        *next = op.argument;
        return true;
      }
      return state != op.expected;
    case HistoryOp::Kind::kDelete:
      if (op.unknown || op.applied) {
        if (!state) return false;
        *next = std::nullopt;
        return true;
      }
      return !state;
    case HistoryOp::Kind::kIncrement: {
      std::string sum = std::to_string(AsNumber(state) + op.delta);
      if (!op.unknown && op.result != sum) return false;
      *next = sum;
      return true;
    }
  }
  return false;
}

// Depth-first search over (operations linearized so far, state).
class Search {
 public:
  Search(std::vector<HistoryOp> ops, uint64_t max_steps)
      : ops_(std::move(ops)), max_steps_(max_steps) {
    std::sort(ops_.begin(), ops_.end(),
              [](const HistoryOp& a, const HistoryOp& b) { return a.invoked < b.invoked; });
    done_.resize(ops_.size());
    for (const HistoryOp& op : ops_) open_ += op.unknown ? 0 : 1;
  }

  LinearizabilityVerdict Run() {
    bool found = Descend(std::nullopt);
    LinearizabilityVerdict verdict;
    verdict.steps = steps_;
    if (found) return verdict;
    verdict.code = steps_ >= max_steps_ ? LinearizabilityVerdict::Code::kGaveUp
                                        : LinearizabilityVerdict::Code::kViolation;
    verdict.explanation = "at most " + std::to_string(deepest_) + " of " +
                          std::to_string(ops_.size()) +
                          " operations fit one order; then none of these does:\n" + stuck_;
    return verdict;
  }

 private:
  bool Descend(const State& state) {
    if (open_ == 0) return true;  // what is left is unknown and need not have happened
    if (++steps_ >= max_steps_) return false;
    if (!seen_.insert(Fingerprint(state)).second) return false;
    // Only what was invoked before the first pending answer can come next.
    int64_t horizon = INT64_MAX;
    for (size_t i = first_; i < ops_.size(); ++i) {
      if (ops_[i].invoked > horizon) break;
      if (!done_[i] && !ops_[i].unknown) horizon = std::min(horizon, ops_[i].answered);
    }
    Remember(state, horizon);
    size_t first_before = first_;
    for (size_t i = first_; i < ops_.size() && ops_[i].invoked <= horizon; ++i) {
      State next;
      if (done_[i] || !Step(ops_[i], state, &next)) continue;
      Mark(i, true);
      bool found = Descend(next);
      Mark(i, false);
      first_ = first_before;
      if (found) return true;
      if (steps_ >= max_steps_) return false;
    }
    return false;
  }

  void Mark(size_t i, bool done) {
    done_[i] = done;
    linearized_ += done ? 1 : -1;
    if (!ops_[i].unknown) open_ += done ? -1 : 1;
    while (done && first_ < ops_.size() && done_[first_]) ++first_;
  }

  std::string Fingerprint(const State& state) const {
    std::string print = state ? "+" + *state + "/" : "-/";
    print += std::to_string(first_) + "/";
    uint8_t bits = 0;
    int filled = 0;
    size_t last = first_;
    for (size_t i = first_; i < ops_.size(); ++i) {
      if (done_[i]) last = i;
    }
    print += std::to_string(last) + "/";  // how many bits follow
    for (size_t i = first_; i <= last && i < ops_.size(); ++i) {
      bits = static_cast<uint8_t>(bits << 1 | (done_[i] ? 1 : 0));
      if (++filled == 8) {
        print.push_back(static_cast<char>(bits));
        filled = 0;
        bits = 0;
      }
    }
    print.push_back(static_cast<char>(bits));
    return print;
  }

  void Remember(const State& state, int64_t horizon) {
    if (linearized_ < static_cast<int64_t>(deepest_) || (linearized_ == 0 && !stuck_.empty()))
      return;
    deepest_ = static_cast<size_t>(linearized_);
    stuck_ = "  state: " + (state ? *state : std::string("absent")) + "\n";
    for (size_t i = first_; i < ops_.size() && ops_[i].invoked <= horizon; ++i) {
      if (!done_[i]) stuck_ += "  " + ops_[i].ToString() + "\n";
    }
  }

  std::vector<HistoryOp> ops_;  // by invocation
  const uint64_t max_steps_;
  std::vector<bool> done_;
  size_t first_ = 0;  // all before it are done
  int64_t open_ = 0;  // answered operations not linearized yet
  int64_t linearized_ = 0;
  uint64_t steps_ = 0;
  std::unordered_set<std::string> seen_;
  size_t deepest_ = 0;
  std::string stuck_;
};

}  // namespace

std::string HistoryOp::ToString() const {
  static constexpr const char* kNames[] = {"get", "put",    "put-if-absent",
                                           "cas", "delete", "increment"};
  std::string text = "client " + std::to_string(client) + " " + kNames[static_cast<int>(kind)];
  if (kind == Kind::kIncrement) text += " " + std::to_string(delta);
  if (!argument.empty()) text += " " + argument;
  if (!expected.empty()) text += " (expected " + expected + ")";
  text +=
      " [" + std::to_string(invoked) + ", " + (unknown ? "?" : std::to_string(answered)) + "] -> ";
  if (unknown) return text + "unknown";
  if (kind == Kind::kGet || kind == Kind::kIncrement) return text + result.value_or("absent");
  return text + (applied ? "applied" : "condition failed");
}

LinearizabilityVerdict CheckLinearizable(std::vector<HistoryOp> ops, uint64_t max_steps) {
  return Search(std::move(ops), max_steps).Run();
}

}  // namespace ringkv
