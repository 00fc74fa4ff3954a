// What the options of the processes promise about their memory: the sum of the bounds in the code,
// read from there, so that a bound that changes changes here too. docs/operations.md tells them to
// operators. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kvnode/node_options.h"
#include "router/router_options.h"

namespace ringkv::bench {

struct MemoryPart {
  std::string what;
  uint64_t bytes = 0;
};

struct MemoryBound {
  std::vector<MemoryPart> parts;
  uint64_t total() const;
};

// With so many nodes and client streams (Kv.Batch). What streams of clients are handing in is no
// part of it: a message each.
MemoryBound RouterMemoryBound(const RouterOptions& options, uint64_t nodes, uint64_t streams);

// With so many streams of routers: two for each event loop of a router.
MemoryBound NodeMemoryBound(const NodeOptions& options, uint64_t streams);

}  // namespace ringkv::bench
