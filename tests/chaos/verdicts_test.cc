// The run can fail: a history that a correct register made passes, and each way of spoiling it is
// noticed. What is judged goes through a file, as in a run.
#include "tests/chaos/verdicts.h"

#include <gtest/gtest.h>

#include <map>

#include "base/random.h"
#include "tests/kvnode/temp_dir.h"

namespace ringkv {
namespace {

using Type = HistoryEvent::Type;
using Function = HistoryEvent::Function;
using Verdict = Check::Verdict;

// What a correct store answers to a few clients at a time, each operation taking effect at a random
// moment between its invocation and its end.
class TrueStore {
 public:
  explicit TrueStore(uint64_t seed) : random_(seed) {}

  std::vector<HistoryEvent> Run(int operations) {
    std::vector<HistoryEvent> flying;
    while (begun_ < operations || !flying.empty()) {
      if (begun_ < operations && flying.size() < 5 && random_.Chance(0.6)) {
        flying.push_back(Invoke());
        Record(flying.back());
      } else if (!flying.empty()) {
        const size_t i = random_.Below(flying.size());
        End(flying[i]);
        flying.erase(flying.begin() + static_cast<int64_t>(i));
      }
    }
    for (const auto& [key, value] : state_) {
      HistoryEvent get;
      get.process = ++process_;
      get.key = key;
      Record(get);
      End(get);
    }
    return events_;
  }

 private:
  HistoryEvent Invoke() {
    HistoryEvent event;
    event.process = ++process_;
    ++begun_;
    const bool counter = random_.Chance(0.3);
    event.key = (counter ? "c" : "r") + std::to_string(random_.Below(3));
    state_[event.key];
    const double dice = random_.Unit();
    if (dice < 0.4) return event;
    if (counter) {
      event.function = Function::kIncrement;
      event.number = true;
      event.value = std::to_string(random_.Between(1, 5));
    } else if (dice < 0.5) {
      event.function = Function::kDelete;
    } else {
      event.function = dice < 0.6 ? Function::kCas : Function::kPut;
      event.value = "v" + std::to_string(process_);
      if (event.function == Function::kCas) event.expected = state_[event.key];
    }
    return event;
  }

  // Takes effect just before its end.
  void End(HistoryEvent event) {
    std::optional<std::string>& state = state_[event.key];
    event.type = Type::kOk;
    switch (event.function) {
      case Function::kGet:
        event.value = state;
        event.number = event.key[0] == 'c';
        break;
      case Function::kDelete:
        event.found = state.has_value();
        state.reset();
        break;
      case Function::kCas:
        if (state != event.expected) {
          event.type = Type::kFail;
          event.error = kConditionFailed;
          break;
        }
        [[fallthrough]];
      case Function::kPut:
        state = event.value;
        break;
      case Function::kIncrement:
        state = std::to_string(std::stoll(state.value_or("0")) + std::stoll(*event.value));
        event.value = state;
        break;
    }
    Record(event);
  }

  void Record(HistoryEvent event) {
    event.time_ns = ++time_;
    events_.push_back(std::move(event));
  }

  Random random_;
  std::map<std::string, std::optional<std::string>> state_;
  std::vector<HistoryEvent> events_;
  int begun_ = 0;
  int64_t process_ = 0;
  int64_t time_ = 0;
};

std::vector<ClientOperation> ThroughAFile(const std::vector<HistoryEvent>& events) {
  TempDir dir;
  std::string text;
  for (const HistoryEvent& event : events) text += ToJsonLine(event) + "\n";
  WriteWholeFile(dir.Sub("history.jsonl"), text);
  auto read = ReadHistory(dir.Sub("history.jsonl"));
  EXPECT_TRUE(read.ok()) << read.status().ToString();
  auto paired = PairOperations(*read);
  EXPECT_TRUE(paired.ok()) << paired.status().ToString();
  return *paired;
}

Verdict Linearizable(const std::vector<HistoryEvent>& events) {
  return CheckLinearizability(ThroughAFile(events)).verdict;
}
Verdict NothingLost(const std::vector<HistoryEvent>& events) {
  return CheckNothingLost(ThroughAFile(events)).verdict;
}

// Index of the end of a random operation that `fits`; none: the test's seed is no good.
template <class Predicate>
size_t PickEnd(const std::vector<HistoryEvent>& events, Random& random, const Predicate& fits) {
  std::vector<size_t> found;
  for (size_t i = 0; i < events.size(); ++i) {
    if (events[i].type == Type::kOk && fits(events[i], i)) found.push_back(i);
  }
  EXPECT_FALSE(found.empty());
  return found[random.Below(found.size())];
}

constexpr int kOperations = 400;
constexpr uint64_t kSeeds = 30;

TEST(Verdicts, HistoryOfACorrectStorePasses) {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const auto events = TrueStore(seed).Run(kOperations);
    EXPECT_EQ(Linearizable(events), Verdict::kPassed) << "seed " << seed;
    EXPECT_EQ(NothingLost(events), Verdict::kPassed) << "seed " << seed;
  }
}

TEST(Verdicts, LostWriteIsRejectedByBoth) {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    auto events = TrueStore(seed).Run(kOperations);
    // The read of r0 at the end finds what was there some writes before: an old value came back.
    std::vector<std::string> written;
    for (HistoryEvent& event : events) {
      if (event.key != "r0" || event.type != Type::kOk || !event.value) continue;
      if (event.function == Function::kPut || event.function == Function::kCas) {
        written.push_back(*event.value);
      }
    }
    ASSERT_GT(written.size(), 20u);
    for (HistoryEvent& event : events) {
      if (event.key == "r0" && event.type == Type::kOk && event.function == Function::kGet) {
        if (&event - events.data() > static_cast<int64_t>(events.size()) - 13) {
          event.value = written[written.size() - 15];
        }
      }
    }
    EXPECT_EQ(Linearizable(events), Verdict::kFailed) << "seed " << seed;
    EXPECT_EQ(NothingLost(events), Verdict::kFailed) << "seed " << seed;
  }
}

TEST(Verdicts, StaleReadIsRejected) {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Random random(seed);
    auto events = TrueStore(seed).Run(kOperations);
    // A read in the second half finds a value that the first half wrote to the same key.
    const size_t half = events.size() / 2;
    const size_t read = PickEnd(events, random, [&](const HistoryEvent& event, size_t i) {
      return i > half && event.function == Function::kGet && event.key[0] == 'r';
    });
    const size_t write = PickEnd(events, random, [&](const HistoryEvent& event, size_t i) {
      return i < half / 2 && event.function == Function::kPut && event.key == events[read].key;
    });
    events[read].value = events[write].value;
    EXPECT_EQ(Linearizable(events), Verdict::kFailed) << "seed " << seed;
  }
}

TEST(Verdicts, IncrementThatWasAppliedTwiceIsRejectedByBoth) {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Random random(seed);
    auto events = TrueStore(seed).Run(kOperations);
    const size_t twice = PickEnd(events, random, [](const HistoryEvent& event, size_t) {
      return event.function == Function::kIncrement;
    });
    const std::string key = events[twice].key;
    // Everything that is seen of the counter from here on is one too many.
    for (size_t i = twice + 1; i < events.size(); ++i) {
      if (events[i].key != key || events[i].type != Type::kOk || !events[i].value) continue;
      events[i].value = std::to_string(std::stoll(*events[i].value) + 1);
    }
    EXPECT_EQ(Linearizable(events), Verdict::kFailed) << "seed " << seed;
    EXPECT_EQ(NothingLost(events), Verdict::kFailed) << "seed " << seed;
  }
}

TEST(Verdicts, SecondCasFromTheSameValueIsRejected) {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Random random(seed);
    auto events = TrueStore(seed).Run(kOperations);
    const size_t first = PickEnd(events, random, [](const HistoryEvent& event, size_t) {
      return event.function == Function::kCas && event.expected;
    });
    HistoryEvent second = events[first];
    second.process = 1'000'000;
    second.value = "second";
    events.insert(events.begin() + static_cast<int64_t>(first) + 1, second);
    second.type = Type::kInvoke;
    events.insert(events.begin() + static_cast<int64_t>(first) + 1, second);
    EXPECT_EQ(Linearizable(events), Verdict::kFailed) << "seed " << seed;
  }
}

TEST(Verdicts, CheckerThatRunsOutOfStepsHasNotPassed) {
  const auto operations = ThroughAFile(TrueStore(1).Run(kOperations));
  const Check check = CheckLinearizability(operations, 100);
  EXPECT_EQ(check.verdict, Verdict::kFailed);
  EXPECT_NE(check.details.at(0).find("not a pass"), std::string::npos) << check.details[0];
}

TEST(Verdicts, FailureIsABrokenPromiseUnlessItWasExcused) {
  ClientOperation failed;
  failed.key = "r1";
  failed.outcome = ClientOperation::Outcome::kNotApplied;
  failed.error = "unavailable: too few replicas";
  failed.op.invoked = 100;
  failed.ended_ns = 200;
  ClientOperation refused = failed;
  refused.outcome = ClientOperation::Outcome::kConditionFailed;
  ClientOperation unknown = failed;
  unknown.outcome = ClientOperation::Outcome::kUnknown;
  EXPECT_EQ(CheckPromisesKept({failed}, {}).verdict, Verdict::kFailed);
  EXPECT_EQ(CheckPromisesKept({unknown}, {{300, 400}}).verdict, Verdict::kFailed);
  EXPECT_EQ(CheckPromisesKept({failed, unknown}, {{150, 400}}).verdict, Verdict::kPassed);
  EXPECT_EQ(CheckPromisesKept({refused}, {}).verdict, Verdict::kPassed);
}

}  // namespace
}  // namespace ringkv
