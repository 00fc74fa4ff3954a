// The clients of a chaos run: operations on registers, counters and write-once keys, begun at a
// steady rate whatever becomes of those before, each recorded in the history. docs/chaos.md tells
// what is done and why.
//
// Start, Stop and ReadAll from one thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/random.h"
#include "client/client.h"
#include "tests/history/history_file.h"

namespace ringkv {

struct LoadOptions {
  uint64_t seed = 1;
  int operations_per_second = 400;
  int registers = 12;
  int counters = 4;
  Duration key_lifetime = std::chrono::seconds(15);  // then another key takes its place
  Duration timeout = std::chrono::seconds(5);        // of an operation
  int connections = 4;
  size_t max_in_flight = 256;
};

class Load {
 public:
  Load(const LoadOptions& options, const std::vector<std::string>& routers, HistoryWriter& history);
  ~Load();
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  void Start();
  // And waits for the end of everything in flight; the number of operations that have not ended
  // long after their time was over.
  size_t Stop();
  size_t ReadAll();  // every key that was ever used, once; after Stop; likewise

  // Operations that were due while too many were in flight.
  uint64_t not_begun() const { return not_begun_; }

 private:
  struct Seen {
    std::string value;
    Version version;
  };
  // A register or counter: what is used under its number now.
  struct Slot {
    std::string prefix;
    bool counter = false;
    int generation = 0;
    std::string key;
    MonoTime until;
    std::optional<Seen> seen;  // what was read last: what a CAS rests on
  };
  struct Operation {
    HistoryEvent event;  // the invocation
    Version version;     // a CAS: of the value that it expects
    int slot = -1;       // whose `seen` its answer is for
  };

  void Run();
  // All of these are called with mutex_ held.
  Operation Choose(MonoTime now);
  Operation ChooseForRegister(int index);
  Operation ChooseForCounter(int index);
  void Renew(Slot& slot, MonoTime now);
  HistoryEvent NewEvent(HistoryEvent::Function function, const std::string& key);
  std::string NewValue() { return "v" + std::to_string(++last_value_); }

  void Begin(Operation operation);
  void End(const Operation& operation, const Status& status, HistoryEvent end);
  void EndGet(const Operation& operation, GetResult result);
  // Gives up long after everything should have ended; how many are in flight.
  size_t WaitForLessThan(size_t in_flight);
  Client& ClientOf(int64_t process) {
    return *clients_[static_cast<size_t>(process) % clients_.size()];
  }

  const LoadOptions options_;
  HistoryWriter& history_;
  const RealClock clock_;

  std::mutex mutex_;
  Random random_;  // guarded by mutex_, as all below
  std::vector<Slot> slots_;
  std::vector<std::string> old_keys_;
  std::vector<std::string> ledger_;
  std::vector<int64_t> free_processes_;
  int64_t last_process_ = 0;
  uint64_t last_value_ = 0;
  size_t in_flight_ = 0;
  std::condition_variable ended_;

  std::atomic<uint64_t> not_begun_{0};
  std::atomic<bool> stop_{false};
  std::thread thread_;
  std::vector<std::unique_ptr<Client>> clients_;  // last: their ends run callbacks
};

}  // namespace ringkv
