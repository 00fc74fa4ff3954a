// What `bench peers` puts side by side: clusters of real processes on this machine, each on free
// ports of 127.0.0.1. Blocking; whatever still runs ends with the object.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "bench/path/load.h"
#include "bench/path/measured_load.h"

namespace ringkv::bench {

class PeerSystem {
 public:
  virtual ~PeerSystem() = default;

  // Starts it and waits until it serves with all its replicas. Once.
  virtual Status Start() = 0;
  // Clients of it, which are gone before it is.
  virtual std::unique_ptr<Load> NewLoad(LoadShape shape, OpMix mix, KeySpace space) = 0;
  virtual ProcessGroups Processes() = 0;
};

// Where systems get their parts, and keep what they write.
struct PeerSurroundings {
  std::string programs;  // the directory with redis-server and etcd
  std::string data;      // directories of the system's own
  std::string logs;
  const std::atomic<bool>* interrupted = nullptr;  // ends starts and loads, where it is given
};

struct PeerKind {
  const char* name;
  const char* promise;  // what holds when it has acknowledged a write
  const char* program;  // that has to be in PeerSurroundings::programs; null: none
  std::unique_ptr<PeerSystem> (*make)(const PeerSurroundings&);
};

// In the order in which they are measured: who is compared with whom stands next to each other.
const std::vector<PeerKind>& PeerKinds();
// Null: there is none of this name.
const PeerKind* FindPeerKind(const std::string& name);

}  // namespace ringkv::bench
