// One simulated run: a seed in, a verdict and figures out. Clients work on a few keys while the
// fault mix of the seed happens; then the faults stop, the cluster comes to rest, every key is read
// once more, and the history of every key is checked.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "tests/sim/sim_cluster.h"

namespace ringkv {

struct RunOptions {
  uint64_t seed = 1;
  Duration faulty = std::chrono::seconds(18);  // virtual time with faults
  int clients = 5;
  int registers = 4;  // keys with get, put, delete, CAS
  int counters = 2;   // keys with get and increment
  std::function<void(const std::string&)> trace;
  // Replaces what the seed would draw, for tests that want one mix.
  std::optional<FaultMix> mix;
  // Without what later versions of the simulator draw as well (FaultMix::LeaveOutNewer).
  bool leave_out_newer = false;
  // Whether `admin check` runs all the while, and not at the end only; of a seed's own: every
  // fourth.
  std::optional<bool> check_under_load;
};

struct RunReport {
  std::string violation;  // empty: all is well
  std::string mix;
  uint64_t operations = 0;
  uint64_t done = 0;
  uint64_t not_applied = 0;
  uint64_t unknown = 0;
  uint64_t retries = 0;
  uint64_t expiring = 0;  // writes of what expires
  double simulated_seconds = 0;
  uint64_t checker_steps = 0;
  uint64_t checks = 0;  // of all replicas, that came to an end
  uint64_t looks = 0;   // at all copies of a key
  FaultCounts faults;
  ShardStats shard;
  ReplicaStats replica;
};

RunReport RunSeed(const RunOptions& options);

// Figures only: not the verdict, nor the mix.
void Add(const RunReport& from, RunReport* to);

}  // namespace ringkv
