// RedisClient: one client of a Redis Cluster that knows who has which slots: it keeps a connection
// to each master and so many operations in flight in total. What is answered together is followed
// by as many new operations together. Thread-compatible: its owner watches the sockets.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "bench/path/operations.h"
#include "bench/peers/redis_socket.h"

namespace ringkv::bench {

struct RedisTarget {
  std::vector<std::string> masters;  // addresses, in the order of their slots (redis_slots.h)
  // A write counts once so many replicas have it: WAIT follows whatever is written together, and
  // what it does not confirm in five seconds has failed. 0: a write counts when its master answers.
  int wait_for_replicas = 0;
};

class RedisClient {
 public:
  // Borrows both.
  RedisClient(const RedisTarget& target, Operations& operations, size_t in_flight, uint64_t seed);

  Status Connect();
  size_t sockets() const { return shards_.size(); }
  int fd(size_t socket) const { return shards_[socket].socket.fd(); }
  // There is something left to send: its owner calls Send once the socket takes it.
  bool WantsToSend(size_t socket) { return !shards_[socket].socket.outgoing().empty(); }

  void Begin(LoadFigures* figures) { Issue(figures); }
  void Receive(size_t socket, LoadFigures* figures);
  void Send(size_t socket, LoadFigures* figures);
  // What is in flight has failed, and there will be nothing more.
  void GiveUp(const std::string& why, LoadFigures* figures);

  // Nothing in flight: after Begin, there will be nothing more.
  bool idle() const { return in_flight_ == 0; }

 private:
  enum class Kind { kSet, kGet, kWait };
  struct Pending {
    Kind kind;
    MonoTime start;
  };
  struct Shard {
    RedisSocket socket;
    std::deque<Pending> pending;        // what will be answered, in this order
    std::vector<MonoTime> unconfirmed;  // writes that the master has answered, and no WAIT yet
    bool wrote = false;                 // since the last WAIT was added
  };

  void Issue(LoadFigures* figures);
  void OnReply(Shard& shard, const RespReply& reply, MonoTime now, LoadFigures* figures);
  void OnWaitReply(Shard& shard, const RespReply& reply, MonoTime now, LoadFigures* figures);

  const RedisTarget& target_;
  Operations& operations_;
  const size_t most_in_flight_;
  const RealClock clock_;
  Random random_;
  std::vector<Shard> shards_;
  size_t in_flight_ = 0;
  bool given_up_ = false;
};

}  // namespace ringkv::bench
