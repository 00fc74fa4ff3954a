#include "tests/history/linearizability.h"

#include <algorithm>
#include <charconv>
#include <unordered_set>

#include "base/random.h"

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

bool OnlyObserves(const HistoryOp& op) {
  return !op.unknown && (op.kind == HistoryOp::Kind::kGet || !op.applied);
}

// A set of operations and a state, as 128 bits: each operation has two random words of its own, and
// those of a set are added up by XOR. Two different sets meet with a probability of about 2^-128
// times the number of pairs looked at.
struct Fingerprint {
  uint64_t low = 0;
  uint64_t high = 0;
  bool operator==(const Fingerprint&) const = default;
};
struct FingerprintHash {
  size_t operator()(const Fingerprint& print) const { return print.low; }
};

Fingerprint PrintOf(const State& state) {
  if (!state) return {};
  Random random(std::hash<std::string>()(*state));
  const uint64_t low = random.Next();
  return {low, random.Next() ^ std::hash<std::string>()(*state + "/")};
}

// Depth-first search over (operations linearized so far, state). Operations not linearized are a
// linked list by invocation, which leaves and takes back any of them at once; so a step costs what
// is open at that moment, however long the history is. The stack is our own: histories are deep.
class Search {
 public:
  Search(std::vector<HistoryOp> ops, uint64_t max_steps)
      : ops_(std::move(ops)), max_steps_(max_steps) {
    std::sort(ops_.begin(), ops_.end(),
              [](const HistoryOp& a, const HistoryOp& b) { return a.invoked < b.invoked; });
    const size_t count = ops_.size();
    next_.resize(count + 1);
    previous_.resize(count + 1);
    prints_.resize(count);
    Random random(count + 1);
    for (size_t i = 0; i <= count; ++i) {  // the last one is the list's head
      next_[i] = i < count ? i + 1 : 0;
      previous_[i] = i > 0 ? i - 1 : count;
    }
    for (size_t i = 0; i < count; ++i) {
      prints_[i] = {random.Next(), random.Next()};
      open_ += ops_[i].unknown ? 0 : 1;
    }
  }

  LinearizabilityVerdict Run() {
    const bool found = FindOrder();
    LinearizabilityVerdict verdict;
    verdict.steps = steps_;
    if (found) return verdict;
    verdict.code = steps_ >= max_steps_ ? LinearizabilityVerdict::Code::kGaveUp
                                        : LinearizabilityVerdict::Code::kViolation;
    verdict.explanation = Explain();
    return verdict;
  }

 private:
  struct Frame {
    State state;
    int64_t horizon = 0;    // what was invoked later cannot come next
    size_t candidate = 0;   // to be tried next; the head: none is left
    bool unknowns = false;  // answered operations have been tried; now those that may not have been
    bool only = false;      // nothing but `candidate` needs to be tried
    size_t chosen = 0;      // linearized to get from here to the frame above
  };

  bool FindOrder() {
    if (open_ == 0) return true;
    if (!Enter(std::nullopt)) return false;
    while (!stack_.empty()) {
      State next;
      if (!Advance(stack_.back(), &next)) {
        stack_.pop_back();
        if (!stack_.empty()) PutBack(stack_.back().chosen);
        continue;
      }
      TakeOut(stack_.back().chosen);
      if (open_ == 0) return true;  // what is left is unknown and need not have happened
      if (Enter(std::move(next))) continue;
      if (steps_ >= max_steps_) return false;
      PutBack(stack_.back().chosen);
    }
    return false;
  }

  // False if nothing new is to be found from here.
  bool Enter(State state) {
    if (++steps_ >= max_steps_) return false;
    Fingerprint print = PrintOf(state);
    print.low ^= set_.low;
    print.high ^= set_.high;
    if (!seen_.insert(print).second) return false;
    Frame frame;
    // Only what was invoked before the first pending answer can come next.
    frame.horizon = INT64_MAX;
    for (size_t i = next_[Head()]; i != Head() && ops_[i].invoked <= frame.horizon; i = next_[i]) {
      if (!ops_[i].unknown) frame.horizon = std::min(frame.horizon, ops_[i].answered);
    }
    frame.candidate = next_[Head()];
    PreferOneWithoutEffect(state, &frame);
    Remember(state, frame.horizon);
    frame.state = std::move(state);
    stack_.push_back(std::move(frame));
    return true;
  }

  // An operation that only observes, and fits now, may as well come now: nothing waits for it to
  // come later, and it is in nobody's way. So there is no other choice to look at.
  void PreferOneWithoutEffect(const State& state, Frame* frame) const {
    State next;
    for (size_t i = next_[Head()]; i != Head() && ops_[i].invoked <= frame->horizon; i = next_[i]) {
      if (!OnlyObserves(ops_[i]) || !Step(ops_[i], state, &next)) continue;
      frame->candidate = i;
      frame->only = true;
      return;
    }
  }

  // The next operation that fits: answered ones first, for an unknown one is needed seldom.
  bool Advance(Frame& frame, State* next) const {
    for (;;) {
      const size_t i = frame.candidate;
      if (frame.only) {
        if (i == Head()) return false;
        frame.candidate = Head();
        frame.chosen = i;
        return Step(ops_[i], frame.state, next);
      }
      if (i == Head() || ops_[i].invoked > frame.horizon) {
        if (frame.unknowns) return false;
        frame.unknowns = true;
        frame.candidate = next_[Head()];
        continue;
      }
      frame.candidate = next_[i];
      if (ops_[i].unknown != frame.unknowns || !Step(ops_[i], frame.state, next)) continue;
      frame.chosen = i;
      return true;
    }
  }

  size_t Head() const { return ops_.size(); }

  void TakeOut(size_t i) {
    next_[previous_[i]] = next_[i];
    previous_[next_[i]] = previous_[i];
    Count(i, 1);
  }
  // In the reverse order of TakeOut.
  void PutBack(size_t i) {
    next_[previous_[i]] = i;
    previous_[next_[i]] = i;
    Count(i, -1);
  }
  void Count(size_t i, int64_t more) {
    linearized_ += more;
    if (!ops_[i].unknown) open_ -= more;
    set_.low ^= prints_[i].low;
    set_.high ^= prints_[i].high;
  }

  void Remember(const State& state, int64_t horizon) {
    if (linearized_ < deepest_ || (linearized_ == 0 && !stuck_.empty())) return;
    deepest_ = linearized_;
    deepest_state_ = state;
    stuck_.clear();
    for (size_t i = next_[Head()]; i != Head() && ops_[i].invoked <= horizon; i = next_[i]) {
      stuck_.push_back(i);
    }
  }

  std::string Explain() const {
    std::string text = "at most " + std::to_string(deepest_) + " of " +
                       std::to_string(ops_.size()) +
                       " operations fit one order; then none of these does:\n  state: " +
                       deepest_state_.value_or("absent") + "\n";
    for (size_t i : stuck_) text += "  " + ops_[i].ToString() + "\n";
    return text;
  }

  std::vector<HistoryOp> ops_;  // by invocation
  const uint64_t max_steps_;
  std::vector<size_t> next_;
  std::vector<size_t> previous_;
  std::vector<Fingerprint> prints_;
  std::vector<Frame> stack_;
  Fingerprint set_;   // of the operations linearized so far
  int64_t open_ = 0;  // answered operations not linearized yet
  int64_t linearized_ = 0;
  uint64_t steps_ = 0;
  std::unordered_set<Fingerprint, FingerprintHash> seen_;
  int64_t deepest_ = 0;
  State deepest_state_;
  std::vector<size_t> stuck_;  // what could come next there
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
