#include "bench/peers/peer_targets.h"

#include <algorithm>

namespace ringkv::bench {
namespace {

constexpr size_t kSmallValue = 100;  // bytes
constexpr const char* kDefault = "ringkv-periodic";

struct Target {
  const char* what;
  const char* other;
  int connections;
  bool of_latency;  // p50; otherwise of throughput
  double bound;     // throughput: at least; latency: at most
};
constexpr Target kTargets[] = {
    {"64 x 1, put: throughput of Redis Cluster's SET", "redis", 64, false, 1},
    {"64 x 1, put: throughput of etcd's put", "etcd", 64, false, 5},
    {"1 x 1, put: p50 of etcd's put", "etcd", 1, true, 1},
};

const LoadFigures* Find(const std::vector<PeerCase>& cases, const std::string& system,
                        int connections) {
  for (const PeerCase& one : cases) {
    if (one.system == system && one.shape.connections == connections && one.shape.in_flight == 1 &&
        one.mix == "put" && one.value_bytes == kSmallValue && one.figures.operations > 0) {
      return &one.figures;
    }
  }
  return nullptr;
}

double Of(const LoadFigures& figures, bool latency) {
  return latency ? static_cast<double>(figures.latency.At(0.5).count()) : figures.rate();
}

}  // namespace

bool PeerVerdict::met() const {
  return std::all_of(comparisons.begin(), comparisons.end(),
                     [](const PeerComparison& one) { return one.met || !one.judged; });
}

PeerVerdict JudgePeers(const std::vector<PeerCase>& cases) {
  PeerVerdict verdict;
  size_t judged = 0;
  for (const Target& target : kTargets) {
    for (const char* ringkv : {kDefault, "ringkv-os", "ringkv-sync"}) {
      const LoadFigures* ours = Find(cases, ringkv, target.connections);
      const LoadFigures* theirs = Find(cases, target.other, target.connections);
      if (ours == nullptr || theirs == nullptr) continue;
      PeerComparison one;
      one.what = target.what;
      one.ringkv = ringkv;
      one.other = target.other;
      one.ratio = Of(*ours, target.of_latency) / Of(*theirs, target.of_latency);
      one.bound = target.bound;
      one.at_least = !target.of_latency;
      one.judged = std::string(ringkv) == kDefault;
      one.met = one.at_least ? one.ratio >= one.bound : one.ratio <= one.bound;
      judged += one.judged ? 1 : 0;
      verdict.comparisons.push_back(std::move(one));
    }
  }
  verdict.complete = judged == std::size(kTargets);
  return verdict;
}

}  // namespace ringkv::bench
