// Contender: one row of the table, built and measured except for its look-ups, and the loops to
// time these. Owns what it is looked up in. Movable; the loops are thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "bench/ring/lookup_loops.h"
#include "bench/ring/structure.h"

namespace ringkv::bench {

struct Contender {
  std::string key;                     // for --only and the JSON
  std::string title;                   // with what was chosen or cut down for this number of nodes
  std::optional<Structure> structure;  // none: it places nothing
  std::shared_ptr<const void> owner;   // of what `loops` reads
  std::unique_ptr<LookupLoops> loops;
};

}  // namespace ringkv::bench
