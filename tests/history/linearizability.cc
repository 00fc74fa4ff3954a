#include "tests/history/linearizability.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <unordered_map>
#include <unordered_set>

#include "base/random.h"

namespace ringkv {
namespace {

// What a key's record says.
struct State {
  std::optional<std::string> value;  // nullopt: absent
  uint64_t request = 0;              // whose attempt made it so; 0: of one that is never sent again
  size_t lease = 0;                  // how long it lasts: the place of its expiry + 1; 0: for good
};

// How an operation sees a record.
enum class View {
  kLive,
  kDead,       // absent or expired
  kForgotten,  // and nobody remembers who made it so: it was collected as garbage
};
constexpr View kViews[] = {View::kLive, View::kDead, View::kForgotten};

int64_t AsNumber(const std::optional<std::string>& value) {
  int64_t number = 0;
  if (value) std::from_chars(value->data(), value->data() + value->size(), number);
  return number;
}

bool OnlyObserves(const HistoryOp& op) {
  return !op.unknown && (op.kind == HistoryOp::Kind::kGet || !op.applied);
}

// Whether `op` may happen to a key with this value, and, if it writes, what. An unknown operation
// that may not have its effect now simply has none yet.
bool Fits(const HistoryOp& op, const std::optional<std::string>& value,
          std::optional<std::string>* written) {
  *written = std::nullopt;
  const bool writes = op.unknown || op.applied;
  switch (op.kind) {
    case HistoryOp::Kind::kGet:
      return op.result == value;
    case HistoryOp::Kind::kPut:
      *written = op.argument;
      return true;
    case HistoryOp::Kind::kPutAbsent:
      if (writes) *written = op.argument;
      return value.has_value() != writes;
    case HistoryOp::Kind::kCas:
      if (writes) *written = op.argument;
      return (value == op.expected) == writes;
    case HistoryOp::Kind::kDelete:
      return value.has_value() == writes;
    case HistoryOp::Kind::kIncrement:
      *written = std::to_string(AsNumber(value) + op.delta);
      return op.unknown || op.result == *written;
  }
  return false;
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
  if (!state.value && state.request == 0) return {};
  const std::string text = (state.value ? "+" + *state.value : "-") + "/" +
                           std::to_string(state.request) + "/" + std::to_string(state.lease);
  Random random(std::hash<std::string>()(text));
  const uint64_t low = random.Next();
  return {low, random.Next() ^ std::hash<std::string>()(text + "/")};
}

// Depth-first search over (operations linearized so far, state). Operations not linearized are a
// linked list by invocation, which leaves and takes back any of them at once; so a step costs what
// is open at that moment, however long the history is. The stack is our own: histories are deep.
//
// That a value may be gone from now on, and that it is gone, are steps of the order like the
// operations, each within its own window: whether a record is there follows from which of them are
// linearized, and the state need not say it.
class Search {
 public:
  Search(std::vector<HistoryOp> ops, uint64_t max_steps) : max_steps_(max_steps) {
    for (HistoryOp& op : ops) Add(std::move(op));
    std::sort(order_.begin(), order_.end(),
              [](const Step& a, const Step& b) { return a.op.invoked < b.op.invoked; });
    const size_t count = order_.size();
    next_.resize(count + 1);
    previous_.resize(count + 1);
    prints_.resize(count);
    Random random(count + 1);
    for (size_t i = 0; i <= count; ++i) {  // the last one is the list's head
      next_[i] = i < count ? i + 1 : 0;
      previous_[i] = i > 0 ? i - 1 : count;
    }
    std::unordered_map<uint64_t, std::vector<size_t>> attempts;
    for (size_t i = 0; i < count; ++i) {
      prints_[i] = {random.Next(), random.Next()};
      const Step& step = order_[i];
      open_ += step.op.unknown ? 0 : 1;
      if (step.kind == Step::Kind::kOperation && step.lease != 0) leases_[step.lease - 1].made = i;
      if (step.kind == Step::Kind::kOperation && step.op.request != 0)
        attempts[step.op.request].push_back(i);
    }
    for (const auto& [request, of_request] : attempts) {
      for (size_t k = 0; k < of_request.size(); ++k) {
        const auto here = of_request.begin() + static_cast<std::ptrdiff_t>(k);
        order_[*here].later.assign(here + 1, of_request.end());
        order_[*here].earlier.assign(of_request.begin(), here);
      }
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
  // A step of the order that is looked for.
  struct Step {
    enum class Kind {
      kOperation,
      kMayEnd,  // from here on some take the lease for over,
      kEnds,    // and from here on all
    };
    Kind kind = Kind::kOperation;
    HistoryOp op;                 // of the others: when, and whether it has to be
    size_t lease = 0;             // an operation: of what it writes
    std::vector<size_t> later;    // an operation: attempts at the same request after this one,
    std::vector<size_t> earlier;  // and before it
    bool taken = false;
  };
  struct Lease {
    size_t made = 0;  // the operation
    int64_t until = 0;
    bool may_end = false;
    bool over = false;
  };
  struct Frame {
    State state;
    int64_t horizon = 0;    // what was invoked later cannot come next
    size_t candidate = 0;   // to be tried next; the head: none is left
    size_t view = 0;        // of kViews, as which the candidate is to see the state
    bool unknowns = false;  // answered operations have been tried; now those that may not have been
    bool only = false;      // nothing but `candidate` needs to be tried
    size_t chosen = 0;      // linearized to get from here to the frame above
  };

  void Add(HistoryOp op) {
    Step step;
    if (op.expiry) {
      const HistoryOp::Expiry& expiry = *op.expiry;
      leases_.push_back({0, After(expiry.until, expiry.skew), false, false});
      step.lease = leases_.size();
      if (expiry.skew != 0) AddEnd(Step::Kind::kMayEnd, step.lease, expiry, -expiry.skew);
      AddEnd(Step::Kind::kEnds, step.lease, expiry, expiry.skew);
    }
    step.op = std::move(op);
    order_.push_back(std::move(step));
  }

  static int64_t After(int64_t time, int64_t by) {
    return time == HistoryOp::Expiry::kUnbounded ? time : time + by;
  }

  void AddEnd(Step::Kind kind, size_t lease, const HistoryOp::Expiry& expiry, int64_t later) {
    Step end;
    end.kind = kind;
    end.lease = lease;
    end.op.invoked = After(expiry.from, later);
    end.op.answered = After(expiry.until, later);
    end.op.unknown = expiry.until == HistoryOp::Expiry::kUnbounded;
    order_.push_back(std::move(end));
  }

  // Whether a step that sees the state so may come next, and what it leaves.
  bool Take(const Step& step, const State& state, View view, State* next) const {
    *next = state;
    if (step.kind != Step::Kind::kOperation) return view == kViews[0];
    const HistoryOp& op = step.op;
    if (!MaySee(op, state, view) || Overtaken(step)) return false;
    const bool same_request = op.retry && op.request != 0 && op.request == state.request;
    if (same_request && view != View::kForgotten) {
      // Of one that nobody has heard of, nothing is to be seen.
      if (op.unknown || !op.applied) return false;
      return op.kind != HistoryOp::Kind::kIncrement || op.result == state.value;
    }
    const std::optional<std::string> none;
    const std::optional<std::string>& seen = view == View::kLive ? state.value : none;
    std::optional<std::string> written;
    if (!Fits(op, seen, &written)) return false;
    if (OnlyObserves(op)) return true;
    next->value = std::move(written);
    next->request = op.request;
    // An increment keeps the time to live.
    const bool keeps = op.kind == HistoryOp::Kind::kIncrement;
    next->lease = keeps ? (seen ? state.lease : 0) : step.lease;
    return true;
  }

  bool MaySee(const HistoryOp& op, const State& state, View view) const {
    if (!state.value) {
      return view == View::kDead || (view == View::kForgotten && op.request == state.request &&
                                     op.retry && state.request != 0);
    }
    if (state.lease == 0) return view == View::kLive;
    const Lease& lease = leases_[state.lease - 1];
    switch (view) {
      case View::kLive:
        return !lease.over || (op.unknown && op.invoked <= lease.until);
      case View::kDead:
        return lease.may_end || lease.over;
      case View::kForgotten:
        return lease.over && op.retry && op.request != 0 && op.request == state.request;
    }
    return false;
  }

  // Whether a later attempt at the same request was done already.
  bool Overtaken(const Step& step) const {
    return std::any_of(step.later.begin(), step.later.end(), [&](size_t i) {
      const Step& later = order_[i];
      return later.taken && !OnlyObserves(later.op);
    });
  }

  bool FindOrder() {
    if (open_ == 0) return true;
    if (!Enter(State())) return false;
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
    for (size_t i = next_[Head()]; i != Head() && OpOf(i).invoked <= frame.horizon; i = next_[i]) {
      if (!OpOf(i).unknown) frame.horizon = std::min(frame.horizon, OpOf(i).answered);
    }
    frame.candidate = next_[Head()];
    PreferOneWithoutEffect(state, &frame);
    Remember(state, frame.horizon);
    frame.state = std::move(state);
    stack_.push_back(std::move(frame));
    return true;
  }

  // An operation that only observes, and fits now, may as well come now: nothing waits for it to
  // come later, and it is in nobody's way. So there is no other choice to look at. The same goes
  // for the end of what is not there any more.
  void PreferOneWithoutEffect(const State& state, Frame* frame) const {
    State next;
    for (size_t i = next_[Head()]; i != Head() && OpOf(i).invoked <= frame->horizon; i = next_[i]) {
      const Step& step = order_[i];
      if (step.kind != Step::Kind::kOperation) {
        if (!order_[leases_[step.lease - 1].made].taken || state.lease == step.lease) continue;
      } else if (!OnlyObserves(step.op)) {
        continue;
      }
      for (size_t view = 0; view < std::size(kViews); ++view) {
        if (!Take(step, state, kViews[view], &next)) continue;
        frame->candidate = i;
        frame->view = view;
        frame->only = true;
        return;
      }
    }
  }

  // The next step that fits: answered ones first, for an unknown one is needed seldom.
  bool Advance(Frame& frame, State* next) const {
    for (;;) {
      const size_t i = frame.candidate;
      if (frame.only) {
        if (i == Head()) return false;
        frame.candidate = Head();
        frame.chosen = i;
        return Take(order_[i], frame.state, kViews[frame.view], next);
      }
      if (i == Head() || OpOf(i).invoked > frame.horizon) {
        if (frame.unknowns) return false;
        frame.unknowns = true;
        frame.candidate = next_[Head()];
        continue;
      }
      const size_t view = frame.view++;
      if (view == std::size(kViews) || OpOf(i).unknown != frame.unknowns) {
        frame.view = 0;
        frame.candidate = next_[i];
        continue;
      }
      if (!Take(order_[i], frame.state, kViews[view], next)) continue;
      frame.chosen = i;
      return true;
    }
  }

  size_t Head() const { return order_.size(); }
  const HistoryOp& OpOf(size_t i) const { return order_[i].op; }

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
    // Whether an earlier attempt that can come no more has come makes no difference from here on.
    for (size_t earlier : order_[i].earlier) {
      if (order_[earlier].taken || OnlyObserves(OpOf(i))) continue;
      set_.low ^= prints_[earlier].low;
      set_.high ^= prints_[earlier].high;
    }
    Step& step = order_[i];
    step.taken = more > 0;
    if (step.kind == Step::Kind::kMayEnd) leases_[step.lease - 1].may_end = step.taken;
    if (step.kind == Step::Kind::kEnds) leases_[step.lease - 1].over = step.taken;
    linearized_ += more;
    if (!OpOf(i).unknown) open_ -= more;
    set_.low ^= prints_[i].low;
    set_.high ^= prints_[i].high;
  }

  void Remember(const State& state, int64_t horizon) {
    if (linearized_ < deepest_ || (linearized_ == 0 && !stuck_.empty())) return;
    deepest_ = linearized_;
    deepest_state_ = state;
    stuck_.clear();
    for (size_t i = next_[Head()]; i != Head() && OpOf(i).invoked <= horizon; i = next_[i]) {
      stuck_.push_back(i);
    }
  }

  std::string Explain() const {
    std::string text = "at most " + std::to_string(deepest_) + " of " +
                       std::to_string(order_.size()) +
                       " steps fit one order; then none of these does:\n  state: " +
                       deepest_state_.value.value_or("absent");
    if (deepest_state_.request != 0)
      text += " by request " + std::to_string(deepest_state_.request);
    if (deepest_state_.lease != 0) text += ", which expires";
    text += "\n";
    for (size_t i : stuck_) {
      const Step& step = order_[i];
      if (step.kind == Step::Kind::kOperation) {
        text += "  " + step.op.ToString() + "\n";
        continue;
      }
      const Step& made = order_[leases_[step.lease - 1].made];
      text += std::string(step.kind == Step::Kind::kEnds ? "  the end" : "  the first end") +
              " of " + made.op.argument + " [" + std::to_string(step.op.invoked) + ", " +
              (step.op.unknown ? "?" : std::to_string(step.op.answered)) + "]\n";
    }
    return text;
  }

  std::vector<Step> order_;  // by invocation
  std::vector<Lease> leases_;
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
  if (request != 0)
    text += (retry ? " again for request " : " for request ") + std::to_string(request);
  if (expiry) {
    text += " until [" + std::to_string(expiry->from) + ", " +
            (expiry->until == Expiry::kUnbounded ? "?" : std::to_string(expiry->until)) + "]";
    if (expiry->skew != 0) text += " +- " + std::to_string(expiry->skew);
  }
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
