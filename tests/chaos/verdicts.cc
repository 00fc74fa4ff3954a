#include "tests/chaos/verdicts.h"

#include <algorithm>

#include "tests/chaos/accounting.h"

namespace ringkv {
namespace {

using Outcome = ClientOperation::Outcome;

constexpr size_t kMaxDetails = 40;
// Of one key: enough for any that fits; the rest is for the others.
constexpr uint64_t kMaxStepsOfKey = 10'000'000;

bool Touches(const ClientOperation& operation, const std::vector<Stretch>& stretches) {
  return std::any_of(stretches.begin(), stretches.end(), [&](const Stretch& stretch) {
    return Touch({operation.op.invoked, operation.ended_ns}, stretch);
  });
}

}  // namespace

void Check::Fail(std::string detail) {
  verdict = Verdict::kFailed;
  if (details.size() < kMaxDetails) details.push_back(std::move(detail));
}

Check CheckLinearizability(const std::vector<ClientOperation>& operations, uint64_t max_steps) {
  Check check{.name = "linearizable"};
  const auto histories = HistoriesByKey(operations);
  uint64_t steps = 0, checked = 0, longest = 0;
  for (const auto& [key, history] : histories) {
    longest = std::max<uint64_t>(longest, history.size());
    const uint64_t left = max_steps - std::min(steps, max_steps);
    LinearizabilityVerdict verdict = CheckLinearizable(history, std::min(left, kMaxStepsOfKey));
    steps += verdict.steps;
    checked += history.size();
    if (verdict.code == LinearizabilityVerdict::Code::kOk) continue;
    const bool gave_up = verdict.code == LinearizabilityVerdict::Code::kGaveUp;
    check.Fail("key " + key + ", " + std::to_string(history.size()) + " operations: " +
               (gave_up ? "the checker ran out of steps, which is not a pass; " : "") +
               verdict.explanation);
  }
  check.summary = std::to_string(checked) + " operations on " + std::to_string(histories.size()) +
                  " keys, at most " + std::to_string(longest) + " on one";
  return check;
}

Check CheckNothingLost(const std::vector<ClientOperation>& operations) {
  Check check{.name = "nothing-lost"};
  for (std::string& finding : FindUnaccounted(operations)) check.Fail(std::move(finding));
  uint64_t writes = 0;
  for (const ClientOperation& operation : operations) {
    const bool write = operation.function != HistoryEvent::Function::kGet;
    writes += write && operation.outcome == Outcome::kDone ? 1 : 0;
  }
  check.summary = std::to_string(writes) + " acknowledged writes";
  return check;
}

Check CheckPromisesKept(const std::vector<ClientOperation>& operations,
                        const std::vector<Stretch>& excused) {
  Check check{.name = "promises-kept"};
  uint64_t promised = 0, broken = 0;
  for (const ClientOperation& operation : operations) {
    if (Touches(operation, excused)) continue;
    ++promised;
    const bool kept =
        operation.outcome == Outcome::kDone || operation.outcome == Outcome::kConditionFailed;
    if (kept) continue;
    ++broken;
    check.Fail(operation.op.ToString() + " on " + operation.key + ": " + operation.error);
  }
  check.summary = std::to_string(promised) + " operations while a majority and the router were " +
                  "there, " + std::to_string(broken) + " of them failed or unknown";
  return check;
}

}  // namespace ringkv
