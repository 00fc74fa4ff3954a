// On how many slots any two nodes ought to meet: the yardstick of the spread.
//
// Fair is what chance would give: of all random rows that keep zones apart and bring each node what
// it holds, those of greatest entropy ("conditional Poisson" or "rejective" sampling; Chen,
// Dempster and Liu, "Weighted finite population sampling to maximize entropy", Biometrika 81,
// 1994). So it is never more than zones, holdings and distinct nodes allow: a zone that has to be
// in every slot is met on every slot; among four zones and three replicas, two zones meet on just
// the slots that the other two leave. Without zones and with equal nodes it is the plain mean.
//
// It is exact where a domain (a zone; a node without one) has at most one replica of a slot. Where
// it has more, its nodes count as equal for how often the domain is met, and share that by what
// they hold.
//
// Pure. Doubles, but of their operations only those that IEEE 754 rounds the same everywhere, and
// none contracted (CMakeLists.txt): the planner decides by it. O(domains² × RF²).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ring/node_groups.h"

namespace ringkv {

class FairMeetings {
 public:
  // In a ring of so many nodes, one without a zone is a domain; in a larger one they are a domain
  // together.
  static constexpr uint32_t kMostAlone = 64;
  static constexpr uint32_t kNoDomain = UINT32_MAX;

  FairMeetings() = default;
  // `held`: slots by node, `replicas` × slots in all; 0 for who takes no part. Rows have at most
  // `per_zone` replicas in one zone.
  FairMeetings(std::span<const uint32_t> held, const NodeGroups& groups, uint32_t replicas,
               uint32_t per_zone);

  uint32_t domains() const { return static_cast<uint32_t>(domains_.size()); }
  // kNoDomain: of a node that holds nothing.
  uint32_t domain_of(uint32_t node) const { return domain_of_[node]; }
  // The slots that two nodes ought to meet on that hold so many.
  double Between(uint32_t node, uint32_t other, uint32_t node_held, uint32_t other_held) const {
    return rate(domain_of(node), domain_of(other)) * node_held * other_held;
  }
  // Two nodes of these domains meet on `rate` × held by one × held by the other slots.
  double rate(uint32_t domain, uint32_t other) const {
    return rates_[size_t{domain} * domains_.size() + other];
  }

 private:
  // A polynomial up to x^RF; the coefficient of x^k weighs k replicas of a slot.
  using Weights = std::vector<double>;
  struct Domain {
    uint32_t nodes = 0;
    uint32_t most = 0;   // replicas of a slot
    double held = 0;     // by all its nodes
    double squares = 0;  // sum of held² over its nodes
    Weights weights;
  };

  void Divide(std::span<const uint32_t> held, const NodeGroups& groups, uint32_t per_zone);
  void Weigh(Domain& domain) const;
  Weights Product(const Weights& a, const Weights& b) const;
  double Sweep();
  void SetRates();

  uint32_t replicas_ = 0;
  double slots_ = 0;
  std::vector<uint32_t> domain_of_;
  std::vector<Domain> domains_;
  std::vector<double> rates_;
};

}  // namespace ringkv
