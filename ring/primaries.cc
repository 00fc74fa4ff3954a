#include "ring/primaries.h"

#include <algorithm>

#include "base/check.h"

namespace ringkv {
namespace {

class PrimaryBalance {
 public:
  PrimaryBalance(Placement& placement, std::span<const Share> shares, uint32_t replicas,
                 PrimarySearch* search)
      : placement_(placement), replicas_(replicas), search_(*search) {
    search_.seen.resize(placement.limit());
    search_.bounds.resize(shares.size());
    for (size_t g = 0; g < shares.size(); ++g) {
      if (placement.groups().groups()[g].nodes == 0) continue;
      const bool whole = shares[g].floor % replicas == 0 && shares[g].remainder == 0;
      const uint32_t low = shares[g].floor / replicas;
      const PrimarySearch::Bounds bounds = {low, low + (whole ? 0 : 1)};
      new_bounds_ |= bounds != search_.bounds[g];
      search_.bounds[g] = bounds;
    }
  }

  void Run() {
    Start();
    std::vector<uint32_t> above, below;
    const auto judge = [&](uint32_t node) {
      if (!placement_.groups().Has(node)) return;
      if (placement_.primaries(node) > high(node)) above.push_back(node);
      if (placement_.primaries(node) < low(node)) below.push_back(node);
    };
    if (new_bounds_) {
      for (uint32_t node = 0; node < placement_.limit(); ++node) judge(node);
    } else {
      for (uint32_t node : placement_.TouchedNodes()) judge(node);
    }
    for (uint32_t node : above) {
      while (placement_.primaries(node) > high(node)) {
        RINGKV_CHECK(GiveAway(node), "primaries can always be balanced");
      }
    }
    for (uint32_t node : below) {
      while (placement_.primaries(node) < low(node)) {
        RINGKV_CHECK(Obtain(node), "primaries can always be balanced");
      }
    }
  }

 private:
  const PrimarySearch::Bounds& BoundsOf(uint32_t node) const {
    return search_.bounds[placement_.groups().group_of(node)];
  }
  uint32_t low(uint32_t node) const { return BoundsOf(node).low; }
  uint32_t high(uint32_t node) const { return BoundsOf(node).high; }

  // Primaries that stayed keep their role; the others' slots go to who lacks most.
  void Start() {
    std::vector<uint32_t> vacant;
    for (uint32_t slot : placement_.TouchedSlots()) {
      const NodeIndex old = placement_.RowBefore(slot)[0];
      const ReplicaRow row = placement_.Row(slot);
      uint32_t place = 0;
      while (place < replicas_ && row[place] != old) ++place;
      if (old.value() != kNoNode && place < replicas_) {
        placement_.MakeFirst(slot, place);
      } else {
        vacant.push_back(slot);
      }
    }
    for (uint32_t slot : vacant) {
      const ReplicaRow row = placement_.Row(slot);
      uint32_t heir = 0;
      int64_t most = INT64_MIN;
      for (uint32_t place = 0; place < replicas_; ++place) {
        const uint32_t node = row[place].value();
        // Whoever stands first for now is counted already.
        const int64_t lack =
            int64_t{high(node)} - placement_.primaries(node) + (place == 0 ? 1 : 0);
        if (lack <= most) continue;
        most = lack;
        heir = place;
      }
      placement_.MakeFirst(slot, heir);
    }
  }

  void BeginSearch(uint32_t node) {
    ++search_.searches;
    search_.queue.assign(1, node);
    search_.seen[node].search = search_.searches;
  }

  // True where it is new.
  bool See(uint32_t node, uint32_t other, uint32_t slot) {
    PrimarySearch::Seen& seen = search_.seen[node];
    if (seen.search == search_.searches) return false;
    seen = {search_.searches, other, slot};
    search_.queue.push_back(node);
    return true;
  }

  // One primary role less for the node, along a shortest path to one that has room: an edge is a
  // slot of which one is primary and the next holds it too.
  bool GiveAway(uint32_t node) {
    BeginSearch(node);
    for (size_t head = 0; head < search_.queue.size(); ++head) {
      const uint32_t from = search_.queue[head];
      for (uint32_t slot : placement_.MaybeHeldBy(from)) {
        const ReplicaRow row = placement_.Row(slot);
        if (row[0].value() != from) continue;
        for (uint32_t place = 1; place < replicas_; ++place) {
          const uint32_t to = row[place].value();
          if (!See(to, from, slot) || placement_.primaries(to) >= high(to)) continue;
          for (uint32_t at = to; at != node; at = search_.seen[at].other) {
            Pass(search_.seen[at].slot, at);
          }
          return true;
        }
      }
    }
    return false;
  }

  // One more, along a shortest path, searched backwards, from one that can spare it.
  bool Obtain(uint32_t node) {
    BeginSearch(node);
    for (size_t head = 0; head < search_.queue.size(); ++head) {
      const uint32_t to = search_.queue[head];
      for (uint32_t slot : placement_.MaybeHeldBy(to)) {
        const ReplicaRow row = placement_.Row(slot);
        const uint32_t from = row[0].value();
        if (from == to || !row.Contains(NodeIndex(to)) || !See(from, to, slot)) continue;
        if (placement_.primaries(from) <= low(from)) continue;
        for (uint32_t at = from; at != node;) {
          const PrimarySearch::Seen step = search_.seen[at];
          Pass(step.slot, step.other);
          at = step.other;
        }
        return true;
      }
    }
    return false;
  }

  void Pass(uint32_t slot, uint32_t to) {
    const ReplicaRow row = placement_.Row(slot);
    uint32_t place = 0;
    while (row[place].value() != to) ++place;
    placement_.MakeFirst(slot, place);
  }

  Placement& placement_;
  const uint32_t replicas_;
  PrimarySearch& search_;
  bool new_bounds_ = false;
};

}  // namespace

void AssignPrimaries(Placement& placement, std::span<const Share> shares, uint32_t replicas,
                     PrimarySearch* search) {
  PrimaryBalance(placement, shares, replicas, search).Run();
}

}  // namespace ringkv
