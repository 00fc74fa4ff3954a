// The replica instances that a disk knows of: durable facts "instance/SLOT/INC" in the store's meta
// map (proto/ringkv/v1/disk.proto, DiskInstance). Plain functions; thread-safe as the store is.
#pragma once

#include <string>
#include <vector>

#include "kvnode/store.h"
#include "ringkv/v1/disk.pb.h"

namespace ringkv {

inline constexpr std::string_view kInstanceFactPrefix = "instance/";

std::string InstanceMetaName(SlotId slot, Incarnation inc);

struct InstanceFact {
  InstanceName name;
  v1::DiskInstance fact;
};

// All of them, also retired ones, by slot and then incarnation. Corruption names the entry that
// cannot be read.
Result<std::vector<InstanceFact>> ReadInstanceFacts(Store& store);

}  // namespace ringkv
