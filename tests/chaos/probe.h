// What the product can do, found out by trying it on a cluster that is thrown away afterwards.
#pragma once

#include <string>
#include <vector>

#include "tests/chaos/fault.h"

namespace ringkv {

struct Capabilities {
  bool clean_after_router = false;  // copies are complete again after the router was restarted
  bool refill = false;              // a node whose disk was emptied is filled again and votes
  bool topology = false;            // kvctl admin add-node and remove-node
};

// What a fault needs and the product does not have; empty: it can be tried.
std::string Missing(const Fault& fault, const Capabilities& capabilities);

// Tries what these faults need; what none of them needs stays false. Uses `directory` for the
// cluster's data and logs. `*error` is not empty where not even a cluster can be formed.
Capabilities Probe(const std::vector<const Fault*>& faults, const std::string& directory,
                   std::string* error);

}  // namespace ringkv
