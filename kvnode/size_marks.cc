#include "kvnode/size_marks.h"

#include <algorithm>

namespace ringkv {

SizeMarks SizeMarks::Undivided(uint64_t bytes) {
  SizeMarks marks;
  marks.marks_.push_back({{}, {SlotId(UINT32_MAX), Incarnation(UINT64_MAX)}, bytes});
  return marks;
}

void SizeMarks::Add(const InstanceName& instance, uint64_t bytes) {
  if (marks_.empty() || marks_.back().last != instance) {
    JoinSmall();
    marks_.push_back({instance, instance, 0});
  }
  marks_.back().bytes += bytes;
}

// The last mark is complete: joins it to the one before if both are small.
void SizeMarks::JoinSmall() {
  if (marks_.size() < 2) return;
  const Mark last = marks_.back();
  Mark& before = marks_[marks_.size() - 2];
  if (before.bytes + last.bytes > kMarkBytes) return;
  before.last = last.last;
  before.bytes += last.bytes;
  marks_.pop_back();
}

v1::DiskSizeMarks SizeMarks::ToProto() const {
  v1::DiskSizeMarks proto;
  uint32_t slot = 0;
  for (const Mark& mark : marks_) {
    proto.add_first_steps(mark.first.slot.value() - slot);
    proto.add_first_incs(mark.first.inc.value());
    proto.add_last_steps(mark.last.slot.value() - mark.first.slot.value());
    proto.add_last_incs(mark.last.inc.value());
    proto.add_bytes(mark.bytes);
    slot = mark.last.slot.value();
  }
  return proto;
}

Result<SizeMarks> SizeMarks::FromProto(const v1::DiskSizeMarks& proto) {
  const int count = proto.bytes_size();
  if (proto.first_steps_size() != count || proto.first_incs_size() != count ||
      proto.last_steps_size() != count || proto.last_incs_size() != count) {
    return Status::Corruption("the size marks of a table file do not fit together");
  }
  SizeMarks marks;
  uint32_t slot = 0;
  for (int i = 0; i < count; ++i) {
    Mark mark;
    slot += proto.first_steps(i);
    mark.first = {SlotId(slot), Incarnation(proto.first_incs(i))};
    slot += proto.last_steps(i);
    mark.last = {SlotId(slot), Incarnation(proto.last_incs(i))};
    mark.bytes = proto.bytes(i);
    marks.marks_.push_back(mark);
  }
  return marks;
}

void SizeMarks::AddTo(std::span<const InstanceName> instances, std::span<uint64_t> sizes) const {
  auto at = instances.begin();
  for (const Mark& mark : marks_) {
    at = std::lower_bound(at, instances.end(), mark.first);
    const auto end = std::upper_bound(at, instances.end(), mark.last);
    const auto count = static_cast<uint64_t>(end - at);
    uint64_t odd = count == 0 ? 0 : mark.bytes % count;
    for (; at != end; ++at) {
      sizes[static_cast<size_t>(at - instances.begin())] += mark.bytes / count + (odd > 0 ? 1 : 0);
      if (odd > 0) --odd;
    }
  }
}

}  // namespace ringkv
