// The owner of a slot (router/shard.h) under a golden script: routers' links, clients, the metadata
// and time are the script; what is sent, answered and asked for are the effects. Nodes n1 to n5;
// slot 0 of group 0 unless a script takes more.
//
//   options [max-behind=2]               of the shard; before anything else
//   take-group term=7 [first-term=yes] [predecessors=may-read] [slots=1] [epoch=0]
//   [replicas=n1,n2,n3]
//              [learner=n4/2 replaced=n1] [retiring=n1] [given-up=n2,n3] [loss-accepted=yes]
//   adopt-row epoch=2 [slot=0] [replicas, learner, replaced, retiring as above]
//   predecessors-gone                    the leases of earlier owners are over
//   lease 1s | lease over                single-replica reads are allowed for so long
//   connect n1 [boot=1]                  the node said Hello
//   introduce n1,n2,n3 [boot=1] [voting=yes] [lost-tail=100ms]
//                                        connect, and the answers to promise, create and contact
//   set-up term=7 [as take-group]        take-group and introduce n1,n2,n3, without telling about
//   it disconnect n1,n2 queue-full n1 | queue-free n1 silent n1 | talks n1                 whether
//   a connected node answers pings (it does at first) damaged n1 k                         the
//   scrub of the node has found a record to be unreadable put k v [if=7.3] [if-absent] [ttl=10s]
//   [request=9.1] [retry] [timeout=1s] get k | delete k [if=7.3] | incr k [by=1] | scan [prefix=a]
//   [after=b] reply n1,n2 KIND [boot=1] [voting=yes] [code=stale] [promised=8] ...
//                                        to the last operation of the kind that the node was sent;
//                                        KIND#2: to the second one
//     contact [lost-tail=100ms|unbounded] [floor=7.1]
//     read v version=7.1 [origin=3.5] [expires=t+1s] | read deleted version=7.2 | read absent
//     [floor=7.1] apply [stored=7.1] scan a:1@7.1 b:deleted@7.2 [more] pull done|running [steps=1]
//     [reported=a,b] set-floor [garbage-left=yes]
//   advance 50ms                         time goes by
//   wall -5s                             the router's wall clock is set so much off
//   describe [k]                         how the replicas, or a key, stand with the owner
//
// Pings are answered by themselves and not shown.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "router/shard.h"
#include "tests/golden/golden_run.h"
#include "tests/golden/op_text.h"

namespace ringkv::golden {

class OwnerMachine final : public Machine, private NodeTransport {
 public:
  Status Run(const Command& command, std::vector<std::string>* effects) override;

 private:
  static constexpr uint32_t kNodes = 5;

  // A node, as far as the script has said.
  struct Node {
    Boot boot;
    bool connected = false;
    bool voting = true;
    bool silent = false;
    bool queue_full = false;
    std::vector<std::string> damaged;
    std::vector<uint64_t> pings;                             // not answered yet
    std::map<std::string, std::vector<v1::ReplicaOp>> sent;  // by kind
  };

  // ---- NodeTransport
  bool Send(Peer peer, const v1::ReplicaOp& op) override;

  // ---- commands: each takes its arguments, and acts if they make sense
  Status Options(Arguments& args);
  Status TakeGroup(Arguments& args);
  Status SetUp(Arguments& args);
  Status AdoptRow(Arguments& args);
  Status Lease(Arguments& args);
  Status Connect(Arguments& args);
  Status Introduce(Arguments& args);
  Status Disconnect(Arguments& args);
  Status Mark(Arguments& args, bool Node::*what, bool as);
  Status Damaged(Arguments& args);
  Status Reply(Arguments& args);
  Status Put(Arguments& args);
  Status Get(Arguments& args);
  Status Delete(Arguments& args);
  Status Increment(Arguments& args);
  Status Scan(Arguments& args);
  Status Look(Arguments& args);
  Status Advance(Arguments& args);
  Status Wall(Arguments& args);
  Status Describe(Arguments& args);

  Shard& shard();  // made when it is wanted first
  std::optional<GroupGrant> TakeGrant(Arguments& args);
  SlotGrant TakeRow(Arguments& args);
  std::vector<Peer> TakeNodes(Arguments& args);
  void FillReply(const v1::ReplicaOp& op, Node& node, Arguments& args, v1::ReplicaOpReply* reply);
  void Meet(Peer peer, Boot boot, v1::ReplicaOpReply contact);
  void Deliver(Peer peer, Boot boot, v1::ReplicaOpReply reply);
  Status Submit(Arguments& args, const std::string& what, v1::Op op);
  void AnswerPings();
  void Say(std::string effect);
  std::string SentText(Peer peer, const v1::ReplicaOp& op);
  void SayRequests();

  SimulatedClock clock_;
  std::map<Peer, Node> nodes_;
  std::vector<std::string>* effects_ = nullptr;  // of the command that runs
  std::map<uint64_t, uint64_t> syncs_;           // ids of pulls, by their place in the script
  std::map<uint64_t, std::string> calls_;        // what clients asked for
  ShardOptions options_ = [] {
    ShardOptions options;
    options.lost_after = options.retransmit;  // scripts lose single messages
    return options;
  }();
  LoadBalancer balancer_{ReadBalancing(ShardOptions())};
  std::unique_ptr<Shard> shard_;
};

}  // namespace ringkv::golden
