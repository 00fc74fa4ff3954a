// Everything that a run of the benchmark has measured: what the table, the JSON and the comparison
// with the targets are made from. Values.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bench/ring/lookup_timing.h"
#include "bench/ring/published_changes.h"
#include "bench/ring/ring_contender.h"

namespace ringkv::bench {

struct Row {
  std::string key;
  std::string title;
  std::optional<Structure> structure;
  LookupTimes lookup_ns;
  std::map<unsigned, ReaderTimes> readers;  // by threads
};

// This ring at one RF.
struct RingRow {
  Row row;
  RingDetails details;
  std::optional<PublishedChanges> published;
};

// All at one number of nodes.
struct Scale {
  uint32_t nodes = 0;
  Row limit;
  std::vector<RingRow> rings;
  std::vector<Row> others;
};

struct Results {
  std::string processor;
  unsigned cores = 0;
  int runs = 0;
  bool quick = false;
  double seconds = 0;      // of the whole run
  std::vector<Row> costs;  // of what goes around a look-up: generator, hash
  std::vector<Scale> scales;
};

}  // namespace ringkv::bench
