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

// What the store says of the routers' sessions, as of one moment.
struct Lease {
  uint64_t session = 0;          // this router's; another than before: the last one has run out
  std::vector<uint64_t> others;  // of other routers, that have not run out
};

class MetadataStore {
 public:
  using Entries = std::vector<std::pair<std::string, std::string>>;

  virtual ~MetadataStore() = default;

  // True: done. False: an expectation did not hold, nothing was changed.
  virtual void Commit(MetadataTxn txn, std::function<void(Result<bool>)> done) = 0;

  // All entries whose names start with `prefix`, in order, as of one moment.
  virtual void List(std::string prefix, std::function<void(Result<Entries>)> done) = 0;

  // How long each renewal holds this router's lease (docs/protocol.md, "Leases"). nullopt: nobody
  // else can open the store, so that every earlier owner has stopped and the lease never ends.
  virtual std::optional<Duration> LeaseTtl() const = 0;

  // Holds this router's session for the TTL from the moment at which the store does it; begins
  // another one if it has run out. A session that has run out is never held again.
  virtual void RenewLease(std::function<void(Result<Lease>)> done) = 0;
};

}  // namespace ringkv
