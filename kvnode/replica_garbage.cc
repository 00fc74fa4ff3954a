// Replica, the collection of garbage (docs/protocol.md, R7): sweeps that remove what the floor has
// let go.
#include "kvnode/garbage.h"

#include <algorithm>

#include "kvnode/replica.h"

namespace ringkv {
namespace {

// Bounds of a step, in records and bytes of keys and values read.
constexpr size_t kStepRecords = 512;
constexpr size_t kStepBytes = 1 << 20;

}  // namespace

bool Replica::FindSweep(MonoTime now) {
  if (sweep_) return true;
  for (auto& [slot, instance] : instances_) {
    if (instance.retired || !instance.garbage.Due(FloorOf(instance), now)) continue;
    ++stats_.sweeps;
    sweep_ = Sweep{slot, instance.inc, FloorOf(instance), "", 0, 0};
    return true;
  }
  return false;
}

Result<bool> Replica::SweepStep(MonoTime now) {
  if (!FindSweep(now)) return false;
  Sweep& sweep = *sweep_;
  auto at = instances_.find(sweep.slot);
  if (at == instances_.end() || at->second.inc != sweep.inc || at->second.retired) {
    sweep_.reset();
    return true;
  }
  ScanLimits limits;
  limits.max_entries = kStepRecords;
  limits.max_bytes = kStepBytes;
  limits.keys_only = true;
  limits.past_damage = true;
  auto page = store_.Scan(sweep.slot, sweep.inc, sweep.cursor, "", limits);
  if (!page.ok()) return page.status();
  if (!page->stretches.empty()) {
    ++stats_.corrupt;
    at->second.garbage.OnFailed(now);
    sweep_.reset();
    return true;
  }
  // What these are shows when they are mended.
  stats_.corrupt += page->damaged.size();
  sweep.records += page->damaged.size();
  sweep.suspects += page->damaged.size();
  StoreBatch batch;
  for (const StoredEntry& entry : page->entries) {
    ++sweep.records;
    if (Collected(entry.record, sweep.floor)) {
      batch.EraseRecord({sweep.slot, sweep.inc, entry.key});
      ++stats_.collected;
    } else if (GarbageEstimate::Suspect(entry.record)) {
      ++sweep.suspects;
    }
  }
  if (!batch.empty()) RINGKV_RETURN_IF_ERROR(store_.Write(batch, /*sync=*/false));
  if (page->complete) {
    at->second.garbage.OnSwept(sweep.floor, sweep.records, sweep.suspects, now);
    sweep_.reset();
  } else {
    if (!page->entries.empty()) sweep.cursor = page->entries.back().key;
    if (!page->damaged.empty()) sweep.cursor = std::max(sweep.cursor, page->damaged.back().key);
  }
  return true;
}

}  // namespace ringkv
