// FakeRedis: the masters of a Redis Cluster as one thread over a map in memory, which notes what
// came to whom and misbehaves on demand. Thread-safe.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace ringkv::bench {

enum class Misbehaviour {
  kNone,
  kErrors,   // each SET is answered with an error
  kGarbage,  // with what is no RESP
  kSilence,  // with nothing
  kHangUp,   // the connection is closed
  kSplits,   // replies come byte by byte
};

class FakeRedis {
 public:
  static constexpr size_t kMasters = 3;

  explicit FakeRedis(Misbehaviour how = Misbehaviour::kNone, int wait_answer = 1);
  ~FakeRedis();
  FakeRedis(const FakeRedis&) = delete;
  FakeRedis& operator=(const FakeRedis&) = delete;

  const std::vector<std::string>& addresses() const { return addresses_; }

  // By key: at which master, and how often.
  std::map<std::string, std::array<int, kMasters>> Sets();
  std::string ValueOf(const std::string& key);
  uint64_t waits() const { return waits_; }
  // The most commands that were in one piece of what was received.
  uint64_t most_together() const { return most_together_; }

 private:
  struct Peer {
    int fd;
    size_t master;
    std::string received;
  };

  void Serve();
  // False: the connection ends.
  bool OnReadable(Peer& peer);
  bool Answer(const Peer& peer, const std::vector<std::string>& words);
  bool Send(int fd, const std::string& bytes);

  const Misbehaviour how_;
  const int wait_answer_;
  std::vector<std::string> addresses_;
  std::vector<int> listeners_;
  int wake_[2] = {-1, -1};
  std::vector<Peer> peers_;  // the thread's
  std::mutex mutex_;
  std::map<std::string, std::string> values_;              // guarded by mutex_
  std::map<std::string, std::array<int, kMasters>> sets_;  // guarded by mutex_
  std::atomic<uint64_t> waits_{0};
  std::atomic<uint64_t> most_together_{0};
  std::thread thread_;
};

}  // namespace ringkv::bench
