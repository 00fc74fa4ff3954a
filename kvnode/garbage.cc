#include "kvnode/garbage.h"

#include "base/rule.h"
#include "migration/version_proto.h"

namespace ringkv {

bool Collected(const v1::Record& record, const Floor& floor) {
  if (FromProto(record.version()) > floor.version) return false;
  return record.tombstone() ||
         (record.expires_at_ms() != 0 && record.expires_at_ms() <= floor.expired_before_ms);
}

void ReadAs(const Floor& floor, v1::Record* record) {
  if (!Collected(*record, floor)) return;
  record->Clear();
  ToProto(floor.version, record->mutable_version());
  record->set_tombstone(true);
}

bool GarbageEstimate::Due(const Floor& floor, MonoTime now) const {
  if (floor == Floor{} || floor == floor_) return false;
  if (failed_) return now - at_ >= kAtLatest;
  if (!swept_) return true;
  if (suspects_ == 0) return false;
  return suspects_ * kWorthwhileShare >= records_ || now - at_ >= kAtLatest;
}

void GarbageEstimate::OnSwept(const Floor& floor, uint64_t records, uint64_t suspects,
                              MonoTime now) {
  swept_ = true;
  failed_ = false;
  floor_ = floor;
  records_ = records;
  suspects_ = suspects;
  at_ = now;
}

void GarbageEstimate::OnFailed(MonoTime now) {
  failed_ = true;
  at_ = now;
}

}  // namespace ringkv
