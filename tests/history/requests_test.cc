// The checker on what clients may do beside reading and writing: attempts at one request (R9), and
// values that expire (R8).
#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "base/random.h"
#include "tests/history/linearizability.h"

namespace ringkv {
namespace {

using Kind = HistoryOp::Kind;
using Code = LinearizabilityVerdict::Code;

HistoryOp Op(Kind kind, int64_t from, int64_t to) {
  HistoryOp op;
  op.kind = kind;
  op.invoked = from;
  op.answered = to;
  return op;
}
HistoryOp Get(std::optional<std::string> result, int64_t from, int64_t to) {
  HistoryOp op = Op(Kind::kGet, from, to);
  op.result = std::move(result);
  return op;
}
HistoryOp Put(std::string value, int64_t from, int64_t to) {
  HistoryOp op = Op(Kind::kPut, from, to);
  op.argument = std::move(value);
  return op;
}
HistoryOp PutAbsent(std::string value, int64_t from, int64_t to) {
  HistoryOp op = Put(std::move(value), from, to);
  op.kind = Kind::kPutAbsent;
  return op;
}
HistoryOp Cas(std::string expected, std::string value, int64_t from, int64_t to) {
  HistoryOp op = Put(std::move(value), from, to);
  op.kind = Kind::kCas;
  op.expected = std::move(expected);
  return op;
}
HistoryOp Delete(int64_t from, int64_t to) { return Op(Kind::kDelete, from, to); }
HistoryOp Add(int64_t delta, std::string sum, int64_t from, int64_t to) {
  HistoryOp op = Op(Kind::kIncrement, from, to);
  op.delta = delta;
  op.result = std::move(sum);
  return op;
}

HistoryOp Unknown(HistoryOp op) {
  op.unknown = true;
  op.answered = 0;
  return op;
}
HistoryOp Refused(HistoryOp op) {
  op.applied = false;
  return op;
}
HistoryOp First(HistoryOp op) {
  op.request = 1;
  return Unknown(std::move(op));
}
HistoryOp Again(HistoryOp op) {
  op.request = 1;
  op.retry = true;
  return op;
}
HistoryOp Until(HistoryOp op, int64_t from, int64_t until, int64_t skew = 0) {
  op.expiry = HistoryOp::Expiry{from, until, skew};
  return op;
}

Code Check(std::vector<HistoryOp> ops) { return CheckLinearizable(std::move(ops)).code; }

// ---- R9 -------------------------------------------------------------------------------------

TEST(Requests, RetryMayBeAnsweredForTheFirstAttempt) {
  EXPECT_EQ(Check({First(Put("a1", 1, 0)), Again(Put("a2", 3, 4)), Get("a1", 5, 6)}), Code::kOk);
}

TEST(Requests, RetryMayBeAppliedItself) {
  EXPECT_EQ(Check({First(Put("a1", 1, 0)), Again(Put("a2", 3, 4)), Get("a2", 5, 6)}), Code::kOk);
}

TEST(Requests, WhatWasReadBeforeTheRetryIsNotWrittenASecondTime) {
  EXPECT_EQ(
      Check({First(Put("a1", 1, 0)), Get("a1", 2, 3), Again(Put("a2", 4, 5)), Get("a2", 6, 7)}),
      Code::kViolation);
}

TEST(Requests, WhatWasOverwrittenMayBeWrittenASecondTime) {
  const std::vector<HistoryOp> before = {First(Put("a1", 1, 0)), Get("a1", 2, 3), Put("b", 4, 5)};
  std::vector<HistoryOp> again = before;
  again.insert(again.end(), {Again(Put("a2", 6, 7)), Get("a2", 8, 9)});
  EXPECT_EQ(Check(again), Code::kOk);
  // But it is written: nothing of it is current.
  std::vector<HistoryOp> passed_over = before;
  passed_over.insert(passed_over.end(), {Again(Put("a2", 6, 7)), Get("b", 8, 9)});
  EXPECT_EQ(Check(passed_over), Code::kViolation);
}

TEST(Requests, FirstAttemptDoesNotComeAfterTheRetry) {
  EXPECT_EQ(
      Check({First(Put("a1", 1, 0)), Again(Put("a2", 3, 4)), Put("b", 5, 6), Get("a1", 7, 8)}),
      Code::kViolation);
  EXPECT_EQ(Check({First(Put("a1", 1, 0)), Put("b", 5, 6), Get("a1", 7, 8)}), Code::kOk)
      << "without the retry it may";
}

// Nothing is promised of an attempt by what another one was refused for.
TEST(Requests, FirstAttemptMayComeAfterARetryThatWasRefused) {
  EXPECT_EQ(Check({Put("x", 1, 2), First(Cas("x", "a1", 3, 0)), Put("y", 4, 5),
                   Again(Refused(Cas("x", "a2", 6, 7))), Put("x", 8, 9), Get("a1", 10, 11)}),
            Code::kOk);
}

TEST(Requests, IncrementIsAddedOnce) {
  EXPECT_EQ(
      Check({Add(5, "5", 1, 2), First(Add(1, "", 3, 0)), Again(Add(1, "6", 5, 6)), Get("6", 7, 8)}),
      Code::kOk);
  EXPECT_EQ(
      Check({Add(5, "5", 1, 2), First(Add(1, "", 3, 0)), Get("6", 4, 5), Again(Add(1, "7", 6, 7))}),
      Code::kViolation);
  EXPECT_EQ(Check({Add(5, "5", 1, 2), First(Add(1, "", 3, 0)), Get("6", 4, 5), Add(2, "8", 6, 7),
                   Again(Add(1, "9", 8, 9))}),
            Code::kOk)
      << "another one came between";
  EXPECT_EQ(Check({Add(5, "5", 1, 2), First(Add(1, "", 3, 0)), Get("6", 4, 5), Add(2, "8", 6, 7),
                   Again(Add(1, "8", 8, 9))}),
            Code::kViolation)
      << "an answer for an attempt that is not the current one";
}

TEST(Requests, ConditionIsNotLookedAtWhenTheFirstAttemptIsFound) {
  EXPECT_EQ(Check({First(PutAbsent("a1", 1, 0)), Get("a1", 2, 3), Again(PutAbsent("a2", 4, 5)),
                   Get("a1", 6, 7)}),
            Code::kOk);
  EXPECT_EQ(
      Check({First(PutAbsent("a1", 1, 0)), Get("a1", 2, 3), Again(Refused(PutAbsent("a2", 4, 5)))}),
      Code::kViolation);
  EXPECT_EQ(Check({First(PutAbsent("a1", 1, 0)), Get("a1", 2, 3), PutAbsent("b", 4, 5)}),
            Code::kViolation)
      << "for another request it is";
}

// A tombstone may have been collected, and who made it is forgotten then.
TEST(Requests, DeleteIsFoundOrForgotten) {
  const std::vector<HistoryOp> before = {Put("x", 1, 2), First(Delete(3, 0)),
                                         Get(std::nullopt, 4, 5)};
  std::vector<HistoryOp> found = before;
  found.push_back(Again(Delete(6, 7)));
  EXPECT_EQ(Check(found), Code::kOk);
  std::vector<HistoryOp> forgotten = before;
  forgotten.push_back(Again(Refused(Delete(6, 7))));
  EXPECT_EQ(Check(forgotten), Code::kOk);
  EXPECT_EQ(Check({Put("x", 1, 2), First(Delete(3, 0)), Get(std::nullopt, 4, 5), Put("y", 6, 7),
                   Again(Refused(Delete(8, 9)))}),
            Code::kViolation)
      << "there is something to delete";
}

// ---- R8 -------------------------------------------------------------------------------------

TEST(Expiry, ValueIsThereBeforeAndGoneAfter) {
  EXPECT_EQ(Check({Until(Put("a", 1, 2), 10, 10), Get("a", 3, 9), Get(std::nullopt, 11, 12)}),
            Code::kOk);
  EXPECT_EQ(Check({Until(Put("a", 1, 2), 10, 10), Get(std::nullopt, 3, 9)}), Code::kViolation);
  EXPECT_EQ(Check({Until(Put("a", 1, 2), 10, 10), Get("a", 11, 12)}), Code::kViolation);
}

TEST(Expiry, IsOneMomentWithinItsWindow) {
  const HistoryOp put = Until(Put("a", 1, 2), 10, 20);
  EXPECT_EQ(Check({put, Get("a", 12, 13), Get(std::nullopt, 14, 15)}), Code::kOk);
  EXPECT_EQ(Check({put, Get(std::nullopt, 12, 13), Get("a", 14, 15)}), Code::kViolation);
}

TEST(Expiry, ClocksMayDisagreeByNoMoreThanTheirSkew) {
  const HistoryOp put = Until(Put("a", 1, 2), 20, 20, 5);
  EXPECT_EQ(Check({put, Get("a", 13, 14), Get(std::nullopt, 16, 17), Get("a", 23, 24),
                   Get(std::nullopt, 26, 27)}),
            Code::kOk);
  EXPECT_EQ(Check({put, Get(std::nullopt, 13, 14)}), Code::kViolation);
  EXPECT_EQ(Check({put, Get("a", 26, 27)}), Code::kViolation);
}

TEST(Expiry, OnlyTheValueItIsOfGoes) {
  EXPECT_EQ(Check({Until(Put("a", 1, 2), 10, 10), Put("b", 3, 4), Get("b", 11, 12)}), Code::kOk);
  EXPECT_EQ(Check({Until(Put("a", 1, 2), 10, 10), Put("b", 3, 4), Get(std::nullopt, 11, 12)}),
            Code::kViolation);
}

TEST(Expiry, ExpiredIsAbsentToConditions) {
  const HistoryOp put = Until(Put("a", 1, 2), 10, 10);
  EXPECT_EQ(Check({put, PutAbsent("b", 11, 12), Get("b", 13, 14)}), Code::kOk);
  EXPECT_EQ(Check({put, PutAbsent("b", 3, 4)}), Code::kViolation);
  EXPECT_EQ(Check({put, Cas("a", "b", 3, 4), Get("b", 11, 12)}), Code::kOk);
  EXPECT_EQ(Check({put, Cas("a", "b", 11, 12)}), Code::kViolation);
  EXPECT_EQ(Check({put, Refused(Cas("a", "b", 11, 12))}), Code::kOk);
  EXPECT_EQ(Check({put, Delete(11, 12)}), Code::kViolation);
  EXPECT_EQ(Check({put, Refused(Delete(11, 12))}), Code::kOk);
}

TEST(Expiry, IncrementKeepsTheTimeToLive) {
  const HistoryOp put = Until(Put("5", 1, 2), 10, 10);
  EXPECT_EQ(Check({put, Add(1, "6", 3, 4), Get("6", 5, 6), Get(std::nullopt, 11, 12)}), Code::kOk);
  EXPECT_EQ(Check({put, Add(1, "6", 3, 4), Get("6", 11, 12)}), Code::kViolation);
  EXPECT_EQ(Check({put, Add(1, "6", 11, 12)}), Code::kViolation);
  EXPECT_EQ(Check({put, Add(1, "1", 11, 12), Get("1", 13, 14)}), Code::kOk)
      << "what begins anew stays";
}

TEST(Expiry, UnknownWriteMayComeWhenItIsOverAlready) {
  const HistoryOp late = Unknown(Until(Put("b", 3, 0), 10, 10));
  EXPECT_EQ(Check({Put("a", 1, 2), late, Get("a", 11, 12), Get(std::nullopt, 13, 14)}), Code::kOk);
  EXPECT_EQ(Check({Put("a", 1, 2), late, Get("a", 11, 12), Get("b", 13, 14)}), Code::kViolation);
  const HistoryOp whenever = Unknown(Until(Put("b", 3, 0), 10, HistoryOp::Expiry::kUnbounded));
  EXPECT_EQ(Check({Put("a", 1, 2), whenever, Get("a", 11, 12), Get("b", 113, 114)}), Code::kOk);
  EXPECT_EQ(Check({Put("a", 1, 2), whenever, Get("b", 4, 5), Get(std::nullopt, 6, 9)}),
            Code::kViolation)
      << "not before its time";
}

// Its condition was true when it was decided.
TEST(Expiry, UnknownWriteMayRestOnWhatHasExpiredSince) {
  const HistoryOp put = Until(Put("a", 1, 2), 10, 10);
  EXPECT_EQ(Check({put, Unknown(Cas("a", "b", 3, 0)), Get(std::nullopt, 11, 12), Get("b", 13, 14)}),
            Code::kOk);
  EXPECT_EQ(
      Check({put, Unknown(Cas("a", "b", 11, 0)), Get(std::nullopt, 11, 12), Get("b", 13, 14)}),
      Code::kViolation)
      << "it was gone before";
  EXPECT_EQ(Check({put, Unknown(Cas("a", "b", 3, 0)), Get(std::nullopt, 11, 12),
                   PutAbsent("c", 13, 14), Get("b", 15, 16)}),
            Code::kViolation)
      << "something else was written";
}

TEST(Expiry, RetryFindsWhatHasExpiredUntilItIsCollected) {
  const HistoryOp first = First(Until(Put("a1", 1, 0), 10, 10));
  const HistoryOp again = Again(Until(Put("a2", 11, 12), 21, 22));
  EXPECT_EQ(Check({first, Get("a1", 2, 3), again, Get(std::nullopt, 13, 14)}), Code::kOk);
  EXPECT_EQ(Check({first, Get("a1", 2, 3), again, Get("a2", 13, 14)}), Code::kOk);
  EXPECT_EQ(Check({first, Get("a1", 2, 3), Again(Until(Put("a2", 4, 5), 14, 15)), Get("a2", 6, 7)}),
            Code::kViolation)
      << "what has not expired is not collected";
}

// ---- against a judge that tries everything --------------------------------------------------

// Without the cleverness of the checker: every order of the operations and of the ends of what they
// write, and all that a key can be in each of them, by the words of docs/protocol.md.
class Judge {
 public:
  explicit Judge(const std::vector<HistoryOp>& ops) : ops_(ops) {
    for (size_t i = 0; i < ops.size(); ++i) {
      events_.push_back(
          {Event::What::kDo, i, ops[i].invoked, ops[i].unknown ? INT64_MAX : ops[i].answered});
      if (!ops[i].expiry) continue;
      const auto [from, until, skew] = *ops[i].expiry;
      // With one clock the two are one moment.
      if (skew != 0) events_.push_back({Event::What::kFirstEnd, i, from - skew, until - skew});
      events_.push_back({Event::What::kLastEnd, i, from + skew, until + skew});
    }
    taken_.resize(events_.size());
  }

  bool Fits() { return Extend({Key{}}, events_.size()); }

 private:
  struct Event {
    enum class What { kDo, kFirstEnd, kLastEnd };
    What what = What::kDo;
    size_t op = 0;
    int64_t from = 0;
    int64_t to = 0;  // INT64_MAX: it need not be
  };
  struct Key {
    std::optional<std::string> value;
    uint64_t request = 0;
    std::optional<size_t> life;  // the operation whose expiry it has
    std::set<size_t> done;       // operations that were done, and not refused
    bool operator<(const Key& other) const {
      return std::tie(value, request, life, done) <
             std::tie(other.value, other.request, other.life, other.done);
    }
  };

  bool Extend(const std::set<Key>& keys, size_t left) {
    if (keys.empty()) return false;
    if (left == 0) return true;
    for (size_t e = 0; e < events_.size(); ++e) {
      if (taken_[e]) continue;
      bool in_time = true;
      for (size_t other = 0; other < events_.size(); ++other)
        in_time = in_time && (taken_[other] || events_[other].to >= events_[e].from);
      if (!in_time) continue;
      const Event& event = events_[e];
      std::set<Key> after;
      if (event.what != Event::What::kDo) after = keys;
      for (const Key& key : keys) {
        if (event.what != Event::What::kDo) break;
        for (Key& next : After(event.op, key)) after.insert(std::move(next));
        if (ops_[event.op].unknown) after.insert(key);  // it does not happen
      }
      taken_[e] = true;
      const bool fits = Extend(after, left - 1);
      taken_[e] = false;
      if (fits) return true;
    }
    return false;
  }

  bool Ended(size_t op, Event::What how) const {
    for (size_t e = 0; e < events_.size(); ++e) {
      if (events_[e].op == op && events_[e].what == how) return taken_[e];
    }
    return false;
  }

  std::vector<Key> After(size_t i, const Key& key) const {
    const HistoryOp& op = ops_[i];
    for (size_t later : key.done) {
      const bool same = op.request != 0 && ops_[later].request == op.request;
      if (same && ops_[later].invoked > op.invoked) return {};
    }
    const bool gone = key.life && Ended(*key.life, Event::What::kLastEnd);
    const bool may_be_gone = gone || (key.life && Ended(*key.life, Event::What::kFirstEnd));
    const bool was_there =
        key.life && op.unknown &&
        op.invoked <= ops_[*key.life].expiry->until + ops_[*key.life].expiry->skew;
    std::vector<std::optional<std::string>> seen;
    if (key.value && (!gone || was_there)) seen.push_back(key.value);
    if (!key.value || may_be_gone) seen.push_back(std::nullopt);
    const bool found = op.retry && key.request == op.request;
    std::vector<Key> after;
    if (found) {
      if (op.applied && !op.unknown) after.push_back(key);
      if (key.value && !gone) seen.clear();  // else it may have been collected
      if (key.value && gone) seen = {std::nullopt};
    }
    for (const auto& value : seen) {
      const bool holds = op.kind == Kind::kPutAbsent ? !value
                         : op.kind == Kind::kCas     ? value == op.expected
                         : op.kind == Kind::kDelete  ? value.has_value()
                                                     : true;
      const bool refused = !op.applied && !op.unknown;
      if (op.kind == Kind::kGet) {
        if (op.result == value) after.push_back(key);
      } else if (refused) {
        if (!holds) after.push_back(key);
      } else if (holds) {
        Key next{op.argument, op.request, std::nullopt, {}};
        if (op.kind == Kind::kDelete) next.value.reset();
        if (op.expiry) next.life = i;
        after.push_back(std::move(next));
      }
    }
    const bool done = op.kind != Kind::kGet && (op.applied || op.unknown);
    for (Key& next : after) {
      next.done = key.done;
      if (done) next.done.insert(i);
    }
    return after;
  }

  const std::vector<HistoryOp>& ops_;
  std::vector<Event> events_;
  std::vector<bool> taken_;
};

HistoryOp Draw(Random& random, int number) {
  const auto from = static_cast<int64_t>(random.Below(20));
  const int64_t to = from + 1 + static_cast<int64_t>(random.Below(6));
  const std::string value = "v" + std::to_string(random.Below(4));
  const std::string own = "v" + std::to_string(number);
  const double dice = random.Unit();
  if (dice < 0.45) {
    return Get(random.Chance(0.4) ? std::nullopt : std::optional(value), from, to);
  }
  HistoryOp op = dice < 0.65   ? Put(own, from, to)
                 : dice < 0.75 ? PutAbsent(own, from, to)
                 : dice < 0.85 ? Cas(value, own, from, to)
                               : Delete(from, to);
  if (op.kind != Kind::kPut && random.Chance(0.3)) op = Refused(std::move(op));
  if (op.applied && random.Chance(0.2)) op = Unknown(std::move(op));
  if (op.kind != Kind::kDelete && random.Chance(0.5)) {
    const auto lasts = static_cast<int64_t>(random.Below(8));
    op = Until(std::move(op), from + lasts, to + lasts, random.Chance(0.4) ? 2 : 0);
  }
  return op;
}

TEST(RequestsAndExpiry, AgreeWithTryingAllOrdersOnSmallHistories) {
  Random random(20261130);
  int fitting = 0, with_retries = 0, expiring = 0;
  constexpr int kHistories = 4000;
  for (int history = 0; history < kHistories; ++history) {
    std::vector<HistoryOp> ops;
    int number = 0;
    while (ops.size() < 5) {
      HistoryOp op = Draw(random, number++);
      const bool again = op.unknown && ops.size() < 4 && random.Chance(0.8);
      if (!again) {
        ops.push_back(std::move(op));
        continue;
      }
      // Another attempt, some time later.
      HistoryOp retry = Again(op);
      const auto later = static_cast<int64_t>(1 + random.Below(8));
      retry.unknown = random.Chance(0.2);
      retry.invoked += later;
      retry.answered = retry.invoked + 3;
      if (retry.kind != Kind::kDelete) retry.argument = "v" + std::to_string(number++);
      if (retry.expiry) {
        retry.expiry->from += later;
        retry.expiry->until = retry.expiry->from + 3;
      }
      if (retry.kind != Kind::kPut && !retry.unknown && random.Chance(0.3))
        retry = Refused(std::move(retry));
      ops.push_back(First(std::move(op)));
      ops.push_back(std::move(retry));
      ++with_retries;
      // One request is enough.
      while (ops.size() < 5) {
        HistoryOp other = Draw(random, number++);
        ops.push_back(std::move(other));
      }
    }
    for (const HistoryOp& op : ops) expiring += op.expiry ? 1 : 0;
    const bool fits = Judge(ops).Fits();
    fitting += fits ? 1 : 0;
    std::string text;
    for (const HistoryOp& op : ops) text += op.ToString() + "\n";
    ASSERT_EQ(Check(ops) == Code::kOk, fits) << "history " << history << "\n" << text;
  }
  EXPECT_GT(fitting, kHistories / 20);
  EXPECT_LT(fitting, kHistories * 19 / 20);
  EXPECT_GT(with_retries, kHistories / 20);
  EXPECT_GT(expiring, kHistories / 2);
}

// One mistake in a long history of a register that works is found.
TEST(RequestsAndExpiry, MutationInALongHistoryIsFound) {
  int found = 0, mutated = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Random random(seed);
    std::vector<HistoryOp> ops;
    struct Is {
      std::optional<std::string> value;
      int64_t ends = INT64_MAX;
    } is;
    int64_t time = 100;
    for (int i = 0; i < 80; ++i) {
      time += 10;
      const std::string value = "v" + std::to_string(i);
      const int64_t from = time - static_cast<int64_t>(random.Below(4));
      const int64_t to = time + static_cast<int64_t>(random.Below(4));
      if (is.ends < time) is = {};
      const double dice = random.Unit();
      if (dice < 0.6) {
        if (is.ends < to + 1) continue;
        ops.push_back(Get(is.value, from, to));
      } else if (dice < 0.8) {
        const int64_t ends = time + static_cast<int64_t>(random.Between(15, 60));
        ops.push_back(Until(Put(value, from, to), ends, ends));
        is = {value, ends};
      } else {
        HistoryOp first = Unknown(Put(value + ".1", from, to));
        first.request = static_cast<uint64_t>(i) + 1;
        HistoryOp again = Put(value + ".2", to + 1, to + 3);
        again.request = first.request;
        again.retry = true;
        const bool applied = random.Chance(0.5);
        ops.push_back(first);
        ops.push_back(again);
        is = {applied ? first.argument : again.argument, INT64_MAX};
      }
    }
    ASSERT_EQ(Check(ops), Code::kOk) << "seed " << seed;
    // Reads of what was there last, as if it were there yet or had never been.
    std::optional<std::string> before;
    for (size_t i = 0; i < ops.size(); ++i) {
      if (ops[i].kind != Kind::kGet || !random.Chance(0.2)) continue;
      std::vector<HistoryOp> wrong = ops;
      if (ops[i].result) {
        wrong[i].result.reset();
      } else if (before) {
        wrong[i].result = before;
      } else {
        continue;
      }
      before = ops[i].result ? ops[i].result : before;
      ++mutated;
      found += Check(wrong) == Code::kViolation ? 1 : 0;
    }
  }
  EXPECT_GT(mutated, 50);
  EXPECT_EQ(found, mutated);
}

}  // namespace
}  // namespace ringkv
