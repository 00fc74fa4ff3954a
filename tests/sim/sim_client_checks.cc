// What the simulated cluster checks of what clients may rest on: that a request is not applied a
// second time (R9), and that what has expired is gone in the end (R7, R8).
#include <algorithm>

#include "kvnode/garbage.h"
#include "migration/version_proto.h"
#include "tests/sim/sim_cluster.h"
#include "tests/sim/sim_options.h"
#include "tests/sim/sim_router_process.h"

namespace ringkv {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

MonoTime SimCluster::AtWallMillis(uint64_t wall_ms) const {
  // The clock counts whole milliseconds of simulated time.
  const int64_t now_ms = scheduler_.now().ns / 1'000'000;
  const int64_t ahead_ms =
      static_cast<int64_t>(wall_ms) - static_cast<int64_t>(scheduler_.clock().WallMillis());
  return MonoTime{} + milliseconds(now_ms + ahead_ms);
}

// An owner is about to send a version for the first time, which it has just decided upon. What a
// quorum holds at that moment is what it has to have read.
void SimCluster::CheckNoSecondTime(const Router& router, const std::string& key,
                                   const v1::Record& record) {
  if (record.request_id().client() == 0 || record.has_origin()) return;
  const SlotId slot = SlotFor(key);
  const std::vector<Node*> holders = Holders(slot);
  const size_t quorum = holders.size() / 2 + 1;
  // One that is fenced may rest on what was current before: it can write nothing any more.
  const MonoTime after_now = scheduler_.now() + Duration(1);
  const uint32_t term = router.shard->Describe(slot).term.value();
  if (PromisedLater(slot, term, after_now) >= static_cast<int>(quorum)) return;
  // Where something was lost, it cannot be told what was current.
  for (Node* holder : holders) {
    if (holder->lost.contains(slot.value()) || IsDamaged(*holder, key)) return;
  }
  std::vector<std::pair<Version, Node*>> stored;
  stored.reserve(holders.size());
  for (Node* holder : holders)
    stored.emplace_back(StoredVersion(*holder, key, IncOf(*holder, slot)), holder);
  std::sort(stored.begin(), stored.end(),
            [](const auto& a, const auto& b) { return a.first > b.first; });
  Node& one = *stored[quorum - 1].second;
  const std::optional<v1::Record> current = StoredRecord(one, key, IncOf(one, slot));
  if (!current.has_value()) return;
  if (current->request_id().client() != record.request_id().client() ||
      current->request_id().number() != record.request_id().number())
    return;
  Violate("R9: request " + std::to_string(record.request_id().number()) + " on " + key +
          " is written as version " + FromProto(record.version()).ToString() +
          ", and the current version " + FromProto(current->version()).ToString() +
          " is of the same");
}

std::string SimCluster::CheckCollected() {
  const ShardOptions options = SimOptions(mix_);
  const Duration allowance =
      options.clock_skew + options.expiry_grace + duration_cast<Duration>(widest_clock_skew_);
  for (uint32_t s = 0; s < kSlots; ++s) {
    const SlotId slot(s);
    for (Node* node : Holders(slot)) {
      auto page = node->store.Scan(slot, IncOf(*node, slot), "", "",
                                   {.max_bytes = 1u << 30, .max_entries = 1u << 30});
      if (!page.ok()) return "slot " + std::to_string(s) + ": " + page.status().message();
      for (const StoredEntry& entry : page->entries) {
        const uint64_t expires = entry.record.expires_at_ms();
        const bool expired = expires != 0 && AtWallMillis(expires) + allowance <= scheduler_.now();
        if (!expired && !entry.record.tombstone()) continue;
        return std::string(expired ? "an expired record" : "a tombstone") + " of " + entry.key +
               " is still on the disk of " + node->id;
      }
    }
  }
  return "";
}

}  // namespace ringkv
