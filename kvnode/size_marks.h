// How the bytes of a sorted run of records (a table file) are divided among replica instances,
// small enough to be kept with the run whatever is in it: a mark for each instance, or for several
// side by side that have at most kMarkBytes together.
//
// So what an instance is said to have is exact, or off by less than kMarkBytes, and the sum over
// all instances of a run is exact. At most 2 marks for kMarkBytes. Values; thread-compatible.
#pragma once

#include <span>
#include <vector>

#include "kvnode/store.h"
#include "ringkv/v1/disk.pb.h"

namespace ringkv {

class SizeMarks {
 public:
  static constexpr uint64_t kMarkBytes = 4096;

  SizeMarks() = default;
  // Of a run of which only the size is known: every instance may be in it.
  static SizeMarks Undivided(uint64_t bytes);

  // One record of the run, in the order of store keys.
  void Add(const InstanceName& instance, uint64_t bytes);

  v1::DiskSizeMarks ToProto() const;
  // kCorruption if the lists do not fit together.
  static Result<SizeMarks> FromProto(const v1::DiskSizeMarks& proto);

  // Adds to sizes[i] what instances[i] has in this run. `instances` are distinct and sorted; what
  // belongs to none of them is left out, what belongs to several is divided evenly.
  void AddTo(std::span<const InstanceName> instances, std::span<uint64_t> sizes) const;

  size_t marks() const { return marks_.size(); }

 private:
  struct Mark {
    InstanceName first;
    InstanceName last;
    uint64_t bytes = 0;  // of the instances from first to last
  };

  void JoinSmall();

  std::vector<Mark> marks_;  // in order, none overlaps another
};

}  // namespace ringkv
