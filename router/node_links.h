// The links of one event loop to all nodes, as the loop sees them: operations out, sessions and
// replies in. One implementation speaks gRPC (node_link_grpc.h); tests bring their own.
//
// Guarantees
//  1. LinkEvents are called on the loop only, and none after Stop has returned.
//  2. For each peer OnConnected and OnDisconnected alternate, beginning with OnConnected; OnReplies
//     comes between them. What was sent before OnDisconnected is not sent afterwards.
//  3. Send takes an operation or says that it did not; what it took leaves with the next Flush.
//
// Everything but Stop is called on the loop.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "router/shard.h"

namespace ringkv {

// How a node is reached, and who is expected there.
struct PeerAddress {
  Peer peer;
  std::string cluster_uuid;
  NodeId node;
  std::string address;     // host:port
  std::string store_uuid;  // empty: never registered, any will do
  Boot boot;               // that the metadata knows; an earlier process is not talked to
  uint32_t vnodes = 1;     // its share of reads, relative to the others'
  bool operator==(const PeerAddress&) const = default;
};

class LinkEvents {
 public:
  virtual ~LinkEvents() = default;
  virtual void OnConnected(Peer peer, Boot boot) = 0;
  virtual void OnDisconnected(Peer peer) = 0;
  virtual void OnReplies(Peer peer, const v1::ReplicaBatchReply& batch) = 0;
};

// For people.
struct LinkReport {
  Peer peer;
  bool connected = false;
  bool answers = false;  // there is a process, which is not ready or not the right one
  std::string why;       // why it is not connected
  uint64_t queued_ops = 0;
  uint64_t queued_bytes = 0;
};

// Since the links were made. Read from any thread.
struct LinkCounts {
  uint64_t batches_out = 0;
  uint64_t ops_out = 0;
  uint64_t bytes_out = 0;  // of messages, without what gRPC adds
  uint64_t batches_in = 0;
  uint64_t ops_in = 0;
  uint64_t bytes_in = 0;
  uint64_t connects = 0;
  uint64_t disconnects = 0;
  uint64_t refused_full = 0;  // Send said no because the outbox was full
};

class NodeLinks : public NodeTransport {
 public:
  // Makes a link, or changes where and to whom it goes (which ends the present session if it
  // differs).
  virtual void SetPeer(const PeerAddress& peer) = 0;

  // Ends the link for good, with OnDisconnected if it is connected, until SetPeer makes it again.
  virtual void DropPeer(Peer peer) = 0;

  // Sends what was gathered.
  virtual void Flush() = 0;

  // When RunDue wants to be called; kNever: not.
  virtual MonoTime NextDue() const = 0;
  virtual void RunDue() = 0;

  virtual std::vector<LinkReport> Report() const = 0;
  virtual LinkCounts Counts() const = 0;

  // Ends all sessions without further events and waits until nothing of theirs runs any more. From
  // another thread than the loop's, while the loop still runs.
  virtual void Stop() = 0;
};

}  // namespace ringkv
