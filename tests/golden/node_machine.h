// Storage nodes under a golden script: the start (kvnode/boot_sequence.h, answered by a registrar
// of its own) and the rules of a replica (kvnode/replica.h) over a disk in memory. Routers, power
// and time are the script; answers and what changes on the disk are the effects. Nodes n1 to n3;
// slot 0 of group 0, with instance 1 of it on each node. Commands are for n1 unless they say at=n2.
//
//   owner term=8 [owner=2]               who owns the group by the metadata, and sends from here on
//   start [durability=periodic|sync|os] [log-damaged] [reply-lost]
//                                        until it serves or cannot; log-damaged: the store had to
//                                        drop an end of its log; reply-lost: the node dies before
//                                        it hears that it was registered
//   set-up n1,n2                         starts, without telling about it
//   show-boots                           shows from here on what the disk has of boots, too
//   stop | kill | power-loss [keep=1]    all but so many batches of what is not synced are lost
//   wipe | save | restore                the disk: replaced by an empty one; copied; put back
//   metadata-restored boot=3             to a state in which the node's last boot was this one
//   grant inc=2 [learner=yes]            the metadata names another instance
//   damage k                             the record on the disk
//   promise | contact [handed-out=3] | read k | scan
//   apply k v|deleted version=7.1 [origin=] [expires=t+1s] [request=9.1] [repair]
//   forget k                             an apply that only forgets what cannot be read
//   create | retire [epoch=2] | persist | reinstate | set-stable stable=7.3
//   set-floor floor=7.3 [expired-before=t+1s]
//   pull id=1 from=n2 [source-boot=1] [compare-only] [in-union] [taken=1]
//     of all of them: [term=] [owner=] [inc=1] [boot=] where another than the present one is meant
//   carry [lost]                         questions of pulls and their answers, until there is none
//   sweep                                for garbage, to its end
//   drop                                 the records of retired instances
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "kvnode/boot_sequence.h"
#include "kvnode/memory_store.h"
#include "kvnode/replica.h"
#include "tests/golden/golden_run.h"
#include "tests/golden/op_text.h"
#include "tests/kvnode/fake_registrar.h"

namespace ringkv::golden {

class NodeMachine final : public Machine {
 public:
  NodeMachine();
  Status Run(const Command& command, std::vector<std::string>* effects) override;

 private:
  // What is on a disk, as scripts show it: by place.
  using Contents = std::map<std::string, std::string>;
  struct Node {
    std::string name;
    MemoryStore disk;
    std::string disk_uuid;
    int kernel = 1;
    Boot boot;
    std::unique_ptr<Replica> replica;  // while the process lives
    std::shared_ptr<const MemoryStore::Image> saved;
    std::string saved_uuid;
    Contents shown;
  };

  // ---- commands
  Status Owner(Arguments& args);
  Status Start(Node& node, Arguments& args);
  Status SetUp(Arguments& args);
  Status End(Node& node, const std::string& how, Arguments& args);
  Status Disk(Node& node, const std::string& what, Arguments& args);
  Status MetadataRestored(Node& node, Arguments& args);
  Status Grant(Arguments& args);
  Status Carry(Node& node, Arguments& args);
  Status Sweep(Node& node, Arguments& args);
  Status Drop(Node& node, Arguments& args);
  Status Operate(Node& node, const std::string& kind, Arguments& args);

  bool FillOp(Node& node, const std::string& kind, Arguments& args, v1::ReplicaOp* op);
  Status Boots(Node& node, BootOptions options, bool reply_lost);
  void Open(Node& node, const Registered& registered, bool synced_writes);
  Result<v1::ReplicaOpReply> Execute(Node& node, const v1::ReplicaOp& op);
  void NewDisk(Node& node);
  void Say(std::string effect) { effects_->push_back(std::move(effect)); }
  Contents Look(Node& node) const;
  void SayDisk(Node& node);

  std::vector<std::string>* effects_ = nullptr;  // of the command that runs
  bool shows_boots_ = false;
  FakeRegistrar registrar_;
  Random random_{7};
  uint32_t term_ = 7;
  uint64_t owner_ = 1;
  uint64_t last_op_ = 0;
  uint64_t disks_ = 0;
  std::map<std::string, Node> nodes_;
};

}  // namespace ringkv::golden
