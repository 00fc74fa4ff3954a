#include "tests/chaos/availability.h"

#include <algorithm>
#include <map>
#include <utility>

namespace ringkv {
namespace {

struct Try {
  int64_t from_ns = 0;
  int64_t to_ns = 0;
  bool success = false;
};

bool Observes(const ClientOperation& operation) {
  return operation.function == HistoryEvent::Function::kGet;
}

std::map<std::pair<std::string, Access>, std::vector<Try>> TriesByKey(
    const std::vector<ClientOperation>& operations) {
  using Outcome = ClientOperation::Outcome;
  std::map<std::pair<std::string, Access>, std::vector<Try>> tries;
  for (const ClientOperation& operation : operations) {
    if (operation.outcome == Outcome::kConditionFailed || operation.ended_ns == INT64_MAX) continue;
    const Access access = Observes(operation) ? Access::kRead : Access::kWrite;
    tries[{operation.key, access}].push_back(
        {operation.op.invoked, operation.ended_ns, operation.outcome == Outcome::kDone});
  }
  return tries;
}

// For each try (in order of their starts), when the uninterrupted trying that it is part of ends.
std::vector<int64_t> EndsOfTrying(const std::vector<Try>& tries, int64_t patience_ns) {
  std::vector<int64_t> ends(tries.size());
  size_t begin = 0;
  int64_t end = INT64_MIN;
  for (size_t i = 0; i <= tries.size(); ++i) {
    const bool broken = i == tries.size() || (i > begin && tries[i].from_ns > end + patience_ns);
    if (broken) {
      std::fill(ends.begin() + static_cast<int64_t>(begin), ends.begin() + static_cast<int64_t>(i),
                end);
      begin = i;
      end = INT64_MIN;
    }
    if (i < tries.size()) end = std::max(end, tries[i].to_ns);
  }
  return ends;
}

}  // namespace

std::vector<Gap> FindGaps(const std::vector<ClientOperation>& operations, int64_t patience_ns) {
  std::vector<Gap> gaps;
  for (auto& [key, tries] : TriesByKey(operations)) {
    std::sort(tries.begin(), tries.end(),
              [](const Try& a, const Try& b) { return a.from_ns < b.from_ns; });
    std::vector<int64_t> successes;
    for (const Try& one : tries) {
      if (one.success) successes.push_back(one.to_ns);
    }
    std::sort(successes.begin(), successes.end());
    const std::vector<int64_t> ends = EndsOfTrying(tries, patience_ns);
    for (size_t i = 0; i < tries.size(); ++i) {
      auto success = std::lower_bound(successes.begin(), successes.end(), tries[i].from_ns);
      const int64_t end = success == successes.end() ? ends[i] : std::min(*success, ends[i]);
      gaps.push_back({key.first, key.second, {tries[i].from_ns, end}});
    }
  }
  return gaps;
}

const Gap* LongestGap(const std::vector<Gap>& gaps, Access access,
                      const std::function<bool(const Stretch&)>& counts) {
  const Gap* longest = nullptr;
  for (const Gap& gap : gaps) {
    if (gap.access != access) continue;
    if (longest != nullptr && longest->length_ns() >= gap.length_ns()) continue;
    if (counts(gap.time)) longest = &gap;
  }
  return longest;
}

}  // namespace ringkv
