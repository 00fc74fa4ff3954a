#include "kvnode/slot_sizes.h"

#include <string>
#include <vector>

#include "kvnode/instance_facts.h"

namespace ringkv {
namespace {

// About 12 bytes each: well below kMaxMessageBytes.
constexpr size_t kMaxInstances = 1 << 20;

}  // namespace

Result<v1::ListSlotSizesReply> SlotSizesOf(Store& store) {
  const Result<std::vector<InstanceFact>> facts = ReadInstanceFacts(store);
  if (!facts.ok()) return facts.status();
  std::vector<InstanceName> live;
  for (const InstanceFact& instance : *facts) {
    if (!instance.fact.retired()) live.push_back(instance.name);
  }
  if (live.size() > kMaxInstances) {
    return Status::Refused(std::to_string(live.size()) + " instances are too many to list");
  }
  const Result<std::vector<uint64_t>> sizes = store.EstimateSizes(live);
  if (!sizes.ok()) return sizes.status();
  v1::ListSlotSizesReply reply;
  for (size_t i = 0; i < live.size(); ++i) {
    reply.add_slots(live[i].slot.value());
    reply.add_incs(live[i].inc.value());
    reply.add_bytes((*sizes)[i]);
  }
  return reply;
}

}  // namespace ringkv
