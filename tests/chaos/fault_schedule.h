// Which faults happen, to whom, for how long and in which order: a pure function of the seed, the
// kinds to choose from and the time there is.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace ringkv {

using Millis = std::chrono::milliseconds;

// What the schedule has to know of a kind of fault.
struct FaultKind {
  enum class Target { kNode, kRouter, kCluster };

  std::string name;
  std::string about;  // one line for people
  Target target = Target::kNode;
  // Held for a time between these, short ones more often than long ones.
  Millis min_hold{0};
  Millis max_hold{0};
  bool alone = false;  // never together with another one
};

struct PlannedFault {
  std::string kind;
  int node = 0;       // 0: not a node
  Millis delay{0};    // from the episode's start
  Millis hold{0};     // how long the harm lasts
  uint64_t seed = 0;  // for what else is drawn while it happens

  // "r1", "n2", or "cluster".
  std::string Target(const std::vector<FaultKind>& kinds) const;
  bool operator==(const PlannedFault&) const = default;
};

// One fault, or two that overlap, after a calm stretch. The harness goes on to the next one when
// all is whole again.
struct Episode {
  Millis calm{0};
  std::vector<PlannedFault> faults;
  bool operator==(const Episode&) const = default;
};

// Enough episodes to fill `length`, probably more. Every kind comes once before any comes again.
// Nothing is held for longer than a quarter of `length`. `kinds` is not empty.
std::vector<Episode> PlanFaults(uint64_t seed, const std::vector<FaultKind>& kinds, int nodes,
                                Millis length);

}  // namespace ringkv
