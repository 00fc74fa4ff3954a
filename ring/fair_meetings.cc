#include "ring/fair_meetings.h"

#include <algorithm>
#include <numeric>

namespace ringkv {
namespace {

constexpr int kSweeps = 60;
constexpr double kClose = 1e-5;  // replicas of a slot

}  // namespace

FairMeetings::FairMeetings(std::span<const uint32_t> held, const NodeGroups& groups,
                           uint32_t replicas, uint32_t per_zone)
    : replicas_(replicas) {
  const uint64_t all = std::accumulate(held.begin(), held.end(), uint64_t{0});
  slots_ = static_cast<double>(all) / replicas;
  Divide(held, groups, per_zone);
  for (Domain& domain : domains_) Weigh(domain);
  for (int i = 0; i < kSweeps && Sweep() > kClose; ++i) {
  }
  SetRates();
}

// Domains in the order of their first nodes, so that the numbers of zones do not matter.
void FairMeetings::Divide(std::span<const uint32_t> held, const NodeGroups& groups,
                          uint32_t per_zone) {
  const auto holders = static_cast<size_t>(
      std::count_if(held.begin(), held.end(), [](uint32_t h) { return h > 0; }));
  std::vector<uint32_t> of_zone(groups.zones(), kNoDomain);
  uint32_t pool = kNoDomain;
  const bool pooled = holders > kMostAlone;
  domain_of_.assign(held.size(), kNoDomain);
  for (uint32_t node = 0; node < held.size(); ++node) {
    if (held[node] == 0) continue;
    const ZoneNumber zone = groups.zone_of(node);
    uint32_t alone = kNoDomain;
    uint32_t& domain = zone != kOwnDomain ? of_zone[zone] : pooled ? pool : alone;
    if (domain == kNoDomain) {
      domain = domains();
      domains_.emplace_back();
    }
    domain_of_[node] = domain;
    Domain& joined = domains_[domain];
    ++joined.nodes;
    joined.most = std::min({joined.nodes, replicas_, zone == kOwnDomain ? replicas_ : per_zone});
    joined.held += held[node];
    joined.squares += static_cast<double>(held[node]) * held[node];
  }
}

// To begin with, as if its nodes were in a slot or not without regard to others. A domain that has
// to be in every slot as often as it may is that at once.
void FairMeetings::Weigh(Domain& domain) const {
  const double mean = domain.held / slots_;
  domain.weights.assign(domain.most + 1, 0);
  if (mean > domain.most - 1e-9) {
    domain.weights[domain.most] = 1;
    return;
  }
  const double odds = mean / (domain.nodes - mean);
  domain.weights[0] = 1;
  for (uint32_t k = 1; k <= domain.most; ++k) {
    domain.weights[k] = domain.weights[k - 1] * odds * (domain.nodes - k + 1) / k;
  }
}

FairMeetings::Weights FairMeetings::Product(const Weights& a, const Weights& b) const {
  Weights product(std::min<size_t>(a.size() + b.size() - 1, replicas_ + 1), 0);
  for (size_t i = 0; i < a.size(); ++i) {
    for (size_t j = 0; j < b.size() && i + j < product.size(); ++j) product[i + j] += a[i] * b[j];
  }
  return product;
}

// Scales each domain in turn towards what it holds, given the others; where it has at most one
// replica of a slot, right to it. Returns how far the farthest was off.
double FairMeetings::Sweep() {
  std::vector<Weights> after(domains_.size() + 1, Weights{1});
  for (size_t d = domains_.size(); d-- > 0;) after[d] = Product(domains_[d].weights, after[d + 1]);
  double farthest = 0;
  Weights before{1};
  for (size_t d = 0; d < domains_.size(); ++d) {
    Domain& domain = domains_[d];
    const Weights others = Product(before, after[d + 1]);
    double sum = 0, mean = 0;
    for (uint32_t k = 0; k <= domain.most; ++k) {
      if (replicas_ - k >= others.size()) continue;
      sum += domain.weights[k] * others[replicas_ - k];
      mean += k * domain.weights[k] * others[replicas_ - k];
    }
    mean /= sum;
    const double wanted = domain.held / slots_;
    const double off = mean > wanted ? mean - wanted : wanted - mean;
    farthest = std::max(farthest, off);
    if (off > 0 && domain.weights[0] > 0 && mean > 0 && mean < domain.most) {
      const double scale = wanted * (domain.most - mean) / ((domain.most - wanted) * mean);
      double power = 1;
      for (double& weight : domain.weights) {
        weight *= power;
        power *= scale;
      }
    }
    before = Product(before, domain.weights);
  }
  return farthest;
}

void FairMeetings::SetRates() {
  const size_t count = domains_.size();
  rates_.assign(count * count, 0);
  const auto at = [&](const Weights& weights, size_t k) {
    return k < weights.size() ? weights[k] : 0;
  };
  for (size_t a = 0; a < count; ++a) {
    const Domain& domain = domains_[a];
    std::vector<Weights> after(count + 1, Weights{1});
    for (size_t d = count; d-- > 0;) {
      after[d] = d == a ? after[d + 1] : Product(domains_[d].weights, after[d + 1]);
    }
    double sum = 0, twice = 0;
    for (uint32_t k = 0; k <= domain.most; ++k) {
      const double weight = domain.weights[k] * at(after[0], replicas_ - k);
      sum += weight;
      twice += k * (k - 1.0) * weight;
    }
    const double pairs = domain.held * domain.held - domain.squares;
    if (pairs > 0) rates_[a * count + a] = slots_ * twice / sum / pairs;
    Weights before{1};
    for (size_t b = 0; b < a; ++b) {
      const Domain& other = domains_[b];
      const Weights rest = Product(before, after[b + 1]);
      double met = 0;
      for (uint32_t j = 1; j <= domain.most; ++j) {
        for (uint32_t k = 1; k <= other.most && j + k <= replicas_; ++k) {
          met += j * k * domain.weights[j] * other.weights[k] * at(rest, replicas_ - j - k);
        }
      }
      const double rate = slots_ * met / sum / (domain.held * other.held);
      rates_[a * count + b] = rates_[b * count + a] = rate;
      before = Product(before, other.weights);
    }
  }
}

}  // namespace ringkv
