// What `bench peers` wants of ringkv beside the others, in one run. Pure functions.
#pragma once

#include <string>
#include <vector>

#include "bench/path/cases.h"

namespace ringkv::bench {

struct PeerCase {
  std::string system;  // a PeerKind's name
  LoadShape shape;
  std::string mix;
  size_t value_bytes = 0;
  LoadFigures figures;
};

// How ringkv stands to another system in one load.
struct PeerComparison {
  std::string what;
  std::string ringkv;  // a PeerKind's name
  std::string other;
  double ratio = 0;       // ours over theirs
  double bound = 0;       // wanted: at least, or at most
  bool at_least = false;  // which of the two
  bool judged = false;    // of the default durability; the others are there to be read
  bool met = false;
};

// Of whatever was measured on both sides with small values, and answered there. `complete` tells
// whether that was everything that is judged.
struct PeerVerdict {
  std::vector<PeerComparison> comparisons;
  bool complete = false;
  bool met() const;  // every one that is judged
};
PeerVerdict JudgePeers(const std::vector<PeerCase>& cases);

}  // namespace ringkv::bench
