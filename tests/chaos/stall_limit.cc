#include "tests/chaos/stall_limit.h"

#include <cmath>

namespace ringkv {
namespace {

std::string Ms(double ms) { return std::to_string(std::llround(ms)) + " ms"; }

}  // namespace

Check CheckStalls(const std::map<std::string, AvailabilityFigures>& by_kind) {
  Check check{.name = "stalls"};
  const auto none = by_kind.find("none");
  const AvailabilityFigures calm = none == by_kind.end() ? AvailabilityFigures() : none->second;
  std::string measured;
  for (const char* kind : {"kill", "pause"}) {
    const auto at = by_kind.find(kind);
    if (at == by_kind.end() || at->second.faults == 0) continue;
    const AvailabilityFigures& figures = at->second;
    measured += std::string(measured.empty() ? "" : "; ") + kind + ": " + Ms(figures.no_reads_ms) +
                " without reads, " + Ms(figures.no_writes_ms) + " without writes";
    auto judge = [&](const std::string& what, double ms, double calm_ms, const std::string& key) {
      if (ms <= kStallLimitMs + calm_ms) return;
      check.Fail(std::string(kind) + ": key " + key + " was without " + what + " for " + Ms(ms) +
                 "; allowed are " + Ms(kStallLimitMs) + " and the " + Ms(calm_ms) +
                 " that one was without them while nothing happened");
    };
    judge("reads", figures.no_reads_ms, calm.no_reads_ms, figures.no_reads_key);
    judge("writes", figures.no_writes_ms, calm.no_writes_ms, figures.no_writes_key);
  }
  if (measured.empty()) {
    check.verdict = Check::Verdict::kLeftOut;
    check.summary = "no node was killed or paused while nothing else happened";
    return check;
  }
  check.summary =
      measured + "; without faults: " + Ms(calm.no_reads_ms) + " and " + Ms(calm.no_writes_ms);
  return check;
}

}  // namespace ringkv
