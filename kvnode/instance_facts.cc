#include "kvnode/instance_facts.h"

#include <cstdio>

namespace ringkv {

std::string InstanceMetaName(SlotId slot, Incarnation inc) {
  char name[64];
  std::snprintf(name, sizeof name, "instance/%08u/%016llu", slot.value(),
                static_cast<unsigned long long>(inc.value()));
  return name;
}

Result<std::vector<InstanceFact>> ReadInstanceFacts(Store& store) {
  auto listed = store.ListMeta(kInstanceFactPrefix);
  if (!listed.ok()) return listed.status().Annotate("reading instances");
  std::vector<InstanceFact> instances;
  instances.reserve(listed->size());
  for (const auto& [name, bytes] : *listed) {
    unsigned slot = 0;
    unsigned long long inc = 0;
    InstanceFact instance;
    if (std::sscanf(name.c_str(), "instance/%8u/%16llu", &slot, &inc) != 2 ||
        !instance.fact.ParseFromString(bytes)) {
      return Status::Corruption("the stored instance '" + name + "' cannot be read");
    }
    instance.name = {SlotId(slot), Incarnation(inc)};
    instances.push_back(std::move(instance));
  }
  return instances;
}

}  // namespace ringkv
