// The clients of a simulated run: each does one operation after the other on a few keys and records
// what it invoked and what came of it.
//
// With retries each write is a request with an id. An attempt that ends without an answer, or that
// its client waits for no longer, is followed by another one under the same id, to whatever router
// there is. In the history each attempt is an operation of its own, and has a value of its own, by
// which it is seen which of them took effect; no router looks at that.
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

  // Operations in flight are unknown from here on. By key. Once.
  const std::map<std::string, std::vector<HistoryOp>>& Finish();

  uint64_t operations() const { return operations_; }
  uint64_t done() const { return done_; }
  uint64_t not_applied() const { return not_applied_; }
  uint64_t unknown() const { return unknown_; }
  uint64_t retries() const { return retries_; }    // attempts after the first
  uint64_t expiring() const { return expiring_; }  // writes of what expires

 private:
  // In how many attempts a request ends, whatever comes of it.
  static constexpr int kMaxAttempts = 4;

  struct InFlight {
    bool active = false;
    uint64_t call = 0;
    std::string key;
    HistoryOp op;         // the present attempt
    v1::Op asked;         // what was asked in it
    std::string value;    // what the request writes, but for the number of the attempt
    int attempts = 0;     // at the request, so far
    bool unsure = false;  // some attempt may have been applied
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
  // Lets what it puts expire.
  void ChooseExpiry(HistoryOp* op, v1::PutRequest* put);
  void Invoke(int client, std::string key, HistoryOp op, v1::Op call, bool final_read);
  // Sends the present attempt.
  void Send(int client);
  void OnDone(int client, uint64_t call, const v1::OpResult& result);
  void WatchRouter(int client, uint64_t call);
  void WaitNoLonger(int client, uint64_t call);
  // `bounded`: nothing is decided about the attempt from now on; only what was is still under way.
  void EndUnknown(int client, bool bounded);
  // True: another attempt follows.
  bool TryAgain(int client);
  void Again(int client);
  void Record(const std::string& key, HistoryOp op, bool bounded);

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
  uint64_t last_request_ = 0;
  uint64_t retries_ = 0;
  uint64_t expiring_ = 0;
};

}  // namespace ringkv
