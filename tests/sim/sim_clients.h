// The clients of a simulated run: each does one operation after the other on a few keys and records
// what it invoked and what came of it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/history/linearizability.h"
#include "tests/sim/sim_cluster.h"

namespace ringkv {

class SimClients {
 public:
  SimClients(Scheduler& scheduler, Random& random, SimCluster& cluster, int clients, int registers,
             int counters);

  std::vector<std::string> keys() const;
  // No new operations; those in flight end.
  void Stop() { stopped_ = true; }
  // Reads every key once, at rest. The answers join the history.
  void ReadAll();
  bool AllRead() const { return final_reads_left_ == 0; }

  // Operations in flight are unknown from here on. By key.
  const std::map<std::string, std::vector<HistoryOp>>& Finish();

  uint64_t operations() const { return operations_; }
  uint64_t done() const { return done_; }
  uint64_t not_applied() const { return not_applied_; }
  uint64_t unknown() const { return unknown_; }

 private:
  struct InFlight {
    bool active = false;
    std::string key;
    HistoryOp op;
    uint64_t router = 0;  // generation of the process that took it
    bool final_read = false;
  };
  struct Seen {  // what a client read last: what its CAS rests on
    std::string key;
    std::string value;
    Version version;
  };

  void Next(int client);
  void Choose(int client, std::string* key, HistoryOp* op, v1::Op* call);
  void ChooseWrite(int client, const std::string& key, HistoryOp* op, v1::Op* call);
  void Invoke(int client, std::string key, HistoryOp op, v1::Op call, bool final_read);
  void OnDone(int client, uint64_t call, const v1::OpResult& result);
  void WatchRouter(int client, uint64_t call);
  void EndUnknown(int client);
  void Record(const std::string& key, HistoryOp op);

  Scheduler& scheduler_;
  Random& random_;
  SimCluster& cluster_;
  std::vector<std::string> registers_;
  std::vector<std::string> counters_;
  std::vector<InFlight> in_flight_;
  std::vector<Seen> seen_;
  std::map<std::string, std::vector<HistoryOp>> history_;
  bool stopped_ = false;
  uint64_t last_value_ = 0;
  uint64_t last_call_ = 0;
  uint64_t final_reads_left_ = 0;
  uint64_t operations_ = 0;
  uint64_t done_ = 0;
  uint64_t not_applied_ = 0;
  uint64_t unknown_ = 0;
};

}  // namespace ringkv
