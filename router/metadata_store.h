// What the routers agree on: a small linearizable map from name to bytes, changed by conditional
// transactions. Twins: EmbeddedMetadata (a RocksDB of the only router), SimulatedMetadata (memory,
// with faults); etcd comes with several routers. Names and contents: proto/ringkv/v1/cluster.proto.
//
// Guarantees
//  1. A transaction happens whole or not at all, durably before its callback says so.
//  2. A callback runs exactly once, possibly before the call returns. kUnknownOutcome: the
//  transaction
//     may have happened; read again before acting.
//
// Thread-compatible: the router's control loop owns it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/status.h"

namespace ringkv {

struct MetadataTxn {
  // Every name must have exactly this value; nullopt: must not be there.
  std::vector<std::pair<std::string, std::optional<std::string>>> expect;
  std::vector<std::pair<std::string, std::string>> puts;
  std::vector<std::string> erases;
};

class MetadataStore {
 public:
  using Entries = std::vector<std::pair<std::string, std::string>>;

  virtual ~MetadataStore() = default;

  // True: done. False: an expectation did not hold, nothing was changed.
  virtual void Commit(MetadataTxn txn, std::function<void(Result<bool>)> done) = 0;

  // All entries whose names start with `prefix`, in order, as of one moment.
  virtual void List(std::string prefix, std::function<void(Result<Entries>)> done) = 0;

  // Until when this router may rely on its ownerships without asking (docs/protocol.md, leases).
  // kNever with a store that nobody else can open.
  virtual MonoTime LeaseUntil() const = 0;

  // Whether every earlier owner is known to have stopped (the embedded store's directory lock).
  virtual bool PredecessorsGone() const = 0;
};

}  // namespace ringkv
