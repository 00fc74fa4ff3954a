#include "tests/chaos/fault_schedule.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/random.h"

namespace ringkv {
namespace {

constexpr double kOverlapping = 0.35;  // of episodes
constexpr Millis kMinCalm{1'500};
constexpr Millis kMaxCalm{4'000};
// What an episode takes at least beside calm and hold: to start a process and see that all is well.
constexpr Millis kLeastRecovery{300};

class Planner {
 public:
  Planner(uint64_t seed, const std::vector<FaultKind>& kinds, int nodes, Millis length)
      : random_(seed), kinds_(kinds), nodes_(nodes), longest_hold_(length / 4) {}

  Episode NextEpisode() {
    Episode episode;
    episode.calm = Millis(random_.Between(kMinCalm.count(), kMaxCalm.count()));
    const FaultKind& first = NextKind();
    episode.faults.push_back(Draw(first));
    if (first.alone || !random_.Chance(kOverlapping)) return episode;
    PlannedFault second = Draw(kinds_[random_.Below(kinds_.size())]);
    const bool fits = !KindOf(second).alone && !SameTarget(episode.faults[0], second);
    if (!fits) return episode;
    second.delay = Millis(random_.Below(1 + episode.faults[0].hold.count()));
    episode.faults.push_back(second);
    return episode;
  }

 private:
  // From a bag with each kind once, filled again when it is empty.
  const FaultKind& NextKind() {
    if (bag_.empty()) {
      for (size_t i = 0; i < kinds_.size(); ++i) bag_.push_back(i);
      for (size_t i = bag_.size(); i > 1; --i) std::swap(bag_[i - 1], bag_[random_.Below(i)]);
    }
    const FaultKind& kind = kinds_[bag_.back()];
    bag_.pop_back();
    return kind;
  }

  PlannedFault Draw(const FaultKind& kind) {
    PlannedFault fault;
    fault.kind = kind.name;
    if (kind.target == FaultKind::Target::kNode) {
      fault.node = static_cast<int>(random_.Between(1, static_cast<uint64_t>(nodes_)));
    }
    // Evenly over the logarithm.
    const double low = std::log(1.0 + static_cast<double>(kind.min_hold.count()));
    const double high = std::log(1.0 + static_cast<double>(kind.max_hold.count()));
    const Millis hold(std::llround(std::exp(low + (high - low) * random_.Unit()) - 1));
    fault.hold = std::min(hold, std::max(kind.min_hold, longest_hold_));
    fault.seed = random_.Next();
    return fault;
  }

  const FaultKind& KindOf(const PlannedFault& fault) const {
    auto at = std::find_if(kinds_.begin(), kinds_.end(),
                           [&](const FaultKind& kind) { return kind.name == fault.kind; });
    return *at;
  }

  bool SameTarget(const PlannedFault& a, const PlannedFault& b) const {
    return KindOf(a).target == KindOf(b).target && a.node == b.node;
  }

  Random random_;
  const std::vector<FaultKind>& kinds_;
  const int nodes_;
  const Millis longest_hold_;
  std::vector<size_t> bag_;
};

}  // namespace

std::string PlannedFault::Target(const std::vector<FaultKind>& kinds) const {
  if (node > 0) return "n" + std::to_string(node);
  for (const FaultKind& known : kinds) {
    if (known.name == kind && known.target == FaultKind::Target::kRouter) return "r1";
  }
  return "cluster";
}

std::vector<Episode> PlanFaults(uint64_t seed, const std::vector<FaultKind>& kinds, int nodes,
                                Millis length) {
  RINGKV_CHECK(!kinds.empty() && nodes > 0, "there is something to do and someone to do it to");
  Planner planner(seed, kinds, nodes, length);
  std::vector<Episode> episodes;
  for (Millis planned{0}; planned < length;) {
    episodes.push_back(planner.NextEpisode());
    Millis longest{0};
    for (const PlannedFault& fault : episodes.back().faults) {
      longest = std::max(longest, fault.delay + fault.hold);
    }
    planned += episodes.back().calm + longest + kLeastRecovery;
  }
  return episodes;
}

}  // namespace ringkv
