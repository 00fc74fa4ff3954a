#include "tests/chaos/run_record.h"

#include <algorithm>

namespace ringkv {
namespace {

// What a fault does to clients may come a while after it was healed.
constexpr int64_t kAftermathNs = 3'000'000'000;

int64_t EndOf(const FaultRecord& fault) { return std::max(fault.healed_ns, fault.whole_ns); }

}  // namespace

bool RunRecord::passed() const {
  return std::none_of(checks.begin(), checks.end(),
                      [](const Check& check) { return check.verdict == Check::Verdict::kFailed; });
}

Stretches StretchesOf(const RunRecord& record) {
  std::vector<FaultRecord> faults = record.faults;
  std::sort(faults.begin(), faults.end(),
            [](const FaultRecord& a, const FaultRecord& b) { return a.from_ns < b.from_ns; });
  Stretches all;
  const int64_t from = record.load_from_ns, to = record.load_to_ns;
  int64_t calm_from = from;  // so far, no fault's aftermath reaches beyond
  int64_t last_end = from;
  for (size_t i = 0; i < faults.size(); ++i) {
    const FaultRecord& fault = faults[i];
    if (fault.from_ns > calm_from) all.calm.push_back({calm_from, fault.from_ns - 1});
    const int64_t next = i + 1 < faults.size() ? faults[i + 1].from_ns - 1 : to;
    const int64_t end = EndOf(fault);
    calm_from = std::max(calm_from, end + kAftermathNs);
    last_end = std::max(last_end, end);
    if (fault.overlapped || fault.target == kRouterId) all.excused.push_back({fault.from_ns, end});
    all.harms.push_back({fault.from_ns, end});
    if (!fault.overlapped) {
      const int64_t aftermath = std::max(fault.healed_ns, std::min(end + kAftermathNs, next));
      all.alone.push_back({fault.kind, {fault.from_ns, end}, {fault.from_ns, aftermath}});
    }
  }
  if (to > calm_from) all.calm.push_back({calm_from, to});
  all.before = {from, faults.empty() ? to : faults[0].from_ns - 1};
  all.during = {all.before.to_ns + 1, last_end};
  all.after = {last_end + 1, to};
  return all;
}

bool IsDueTo(const Stretch& time, const LoneFault& fault, const std::vector<Stretch>& harms) {
  if (Touch(time, fault.harm)) return true;
  return Touch(time, fault.aftermath) &&
         std::none_of(harms.begin(), harms.end(),
                      [&](const Stretch& harm) { return Touch(time, harm); });
}

}  // namespace ringkv
