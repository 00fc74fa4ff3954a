#include "tests/chaos/figures.h"

#include <algorithm>
#include <functional>

namespace ringkv {
namespace {

using Outcome = ClientOperation::Outcome;
using Function = HistoryEvent::Function;

// Two tries of a key further apart do not make one gap.
constexpr int64_t kPatienceNs = 1'000'000'000;

double Ms(int64_t ns) { return static_cast<double>(ns) / 1e6; }

Access AccessOf(const ClientOperation& operation) {
  return operation.function == Function::kGet ? Access::kRead : Access::kWrite;
}

const char* NameOf(Function function) {
  switch (function) {
    case Function::kGet:
      return "get";
    case Function::kPut:
      return "put";
    case Function::kDelete:
      return "del";
    case Function::kCas:
      return "cas";
    case Function::kIncrement:
      return "incr";
  }
  return "?";
}

// What the load did; not the reads at the end, which come much later.
std::vector<ClientOperation> OfTheLoad(const RunRecord& record) {
  std::vector<ClientOperation> operations;
  for (const ClientOperation& operation : record.operations) {
    if (operation.op.invoked <= record.load_to_ns) operations.push_back(operation);
  }
  return operations;
}

AvailabilityFigures FiguresOf(const Gap* reads, const Gap* writes) {
  AvailabilityFigures figures;
  if (reads != nullptr) {
    figures.no_reads_ms = Ms(reads->length_ns());
    figures.no_reads_key = reads->key;
  }
  if (writes != nullptr) {
    figures.no_writes_ms = Ms(writes->length_ns());
    figures.no_writes_key = writes->key;
  }
  return figures;
}

}  // namespace

LatencyFigures LatencyIn(const std::vector<ClientOperation>& operations, Access access,
                         const Stretch& stretch) {
  std::vector<int64_t> all;
  for (const ClientOperation& operation : operations) {
    const bool within =
        operation.op.invoked >= stretch.from_ns && operation.op.invoked <= stretch.to_ns;
    if (within && operation.outcome == Outcome::kDone && AccessOf(operation) == access) {
      all.push_back(operation.ended_ns - operation.op.invoked);
    }
  }
  LatencyFigures figures;
  figures.count = all.size();
  if (all.empty()) return figures;
  std::sort(all.begin(), all.end());
  auto at = [&](double share) {
    return Ms(all[std::min(all.size() - 1,
                           static_cast<size_t>(share * static_cast<double>(all.size())))]);
  };
  figures.p50_ms = at(0.5);
  figures.p90_ms = at(0.9);
  figures.p99_ms = at(0.99);
  figures.p999_ms = at(0.999);
  figures.max_ms = Ms(all.back());
  return figures;
}

void OutcomeCounts::Add(Outcome outcome) {
  switch (outcome) {
    case Outcome::kDone:
      ++done;
      return;
    case Outcome::kConditionFailed:
      ++condition_failed;
      return;
    case Outcome::kNotApplied:
      ++not_applied;
      return;
    case Outcome::kUnknown:
      ++unknown;
      return;
  }
}

std::map<std::string, OutcomeCounts> CountOutcomes(const std::vector<ClientOperation>& operations) {
  std::map<std::string, OutcomeCounts> counts;
  for (const ClientOperation& operation : operations) {
    counts[NameOf(operation.function)].Add(operation.outcome);
  }
  return counts;
}

std::map<std::string, AvailabilityFigures> AvailabilityByKind(const RunRecord& record) {
  const std::vector<ClientOperation> operations = OfTheLoad(record);
  const std::vector<Gap> gaps = FindGaps(operations, kPatienceNs);
  const Stretches stretches = StretchesOf(record);
  std::map<std::string, AvailabilityFigures> figures;
  auto add = [&](const std::string& kind, const std::function<bool(const Stretch&)>& counts) {
    figures[kind] = FiguresOf(LongestGap(gaps, Access::kRead, counts),
                              LongestGap(gaps, Access::kWrite, counts));
    for (const ClientOperation& operation : operations) {
      if (counts({operation.op.invoked, operation.ended_ns})) {
        figures[kind].outcomes.Add(operation.outcome);
      }
    }
  };
  add("none", [&](const Stretch& time) {
    return std::any_of(stretches.calm.begin(), stretches.calm.end(),
                       [&](const Stretch& calm) { return IsWithin(time, calm); });
  });
  std::map<std::string, uint64_t> kinds;
  for (const LoneFault& fault : stretches.alone) ++kinds[fault.kind];
  for (const auto& [kind, count] : kinds) {
    add(kind, [&, name = kind](const Stretch& time) {
      return std::any_of(stretches.alone.begin(), stretches.alone.end(), [&](const auto& fault) {
        return fault.kind == name && IsDueTo(time, fault, stretches.harms);
      });
    });
    figures[kind].faults = count;
  }
  return figures;
}

}  // namespace ringkv
