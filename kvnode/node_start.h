// Drives a BootSequence to its end on a thread of its own: asks routers, with a growing pause
// between the attempts, moves an old disk aside, and says in one sentence why the node does not
// serve yet.
//
// Guarantees: `serve` or `fail` is called at most once, from the start's thread; neither after Stop
// has returned. Each new reason is logged once, and again each minute for as long as it lasts.
// Thread-safety: Prepare, Start and Stop from one thread; reason from any. Borrows everything it is
// given until Stop.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/random.h"
#include "base/status.h"
#include "kvnode/boot_sequence.h"
#include "kvnode/store.h"

namespace ringkv {

// The disk of a node, as its start sees it.
class NodeDisk {
 public:
  virtual ~NodeDisk() = default;
  // Good until MoveAside.
  virtual Store& store() = 0;
  // The store had to drop a damaged end of its log when it was opened.
  virtual bool log_damaged() const = 0;
  // Renames what is there, which was at `boot`, and starts on an empty store. Deletes nothing.
  // `where`: what the old one is called now.
  virtual Status MoveAside(Boot boot, std::string* where) = 0;
};

class NodeStart {
 public:
  struct Pauses {
    Duration first = std::chrono::milliseconds(100);  // then twice as long each time
    Duration longest = std::chrono::seconds(1);
    Duration refused = std::chrono::seconds(5);  // an operator is needed: no hurry
  };
  struct Actions {
    // One question to the routers; blocks. Unavailable: nobody answered, and why.
    std::function<Result<v1::RegisterReply>(const v1::RegisterRequest&)> ask;
    std::function<void()> cancel_ask;  // makes an `ask` under way return; any thread
    std::function<void(const Registered&)> serve;
    std::function<void(const Status&)> fail;  // the disk failed on the way
  };

  // `boot.fresh_store_uuid` and `boot.store_lost_tail` are set here.
  NodeStart(NodeDisk& disk, const Clock& clock, uint64_t seed, BootOptions boot, Actions actions,
            Pauses pauses);
  ~NodeStart();  // stops

  // Reads the disk and takes the first durable steps. Errors as BootSequence::Begin.
  Status Prepare();

  // After Prepare. Goes on by itself until the node serves, its disk fails, or Stop.
  void Start();

  // Idempotent.
  void Stop();

  // Why the node does not serve, for /readyz; empty once it does.
  std::string reason() const;

  // The disk that it starts on, as it was found: whose, and its last boot. After Prepare.
  struct DiskFound {
    std::string store_uuid;
    Boot boot;
  };
  DiskFound disk() const;

 private:
  Result<BootStep> BeginSequence();
  void Run();
  // False: the start is over.
  bool Advance(Result<BootStep> next);
  Result<BootStep> MoveAside(const std::string& why);
  Result<BootStep> AskOnce();
  void Explain(std::string reason, bool refused);
  // False: stopping.
  bool Pause(Duration duration);

  NodeDisk& disk_;
  const Clock& clock_;
  Random random_;
  BootOptions boot_;
  const Actions actions_;
  const Pauses pauses_;

  // The start's thread's, once it runs.
  std::unique_ptr<BootSequence> sequence_;
  BootStep step_;
  Duration pause_;
  std::string logged_reason_;
  MonoTime logged_at_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::string reason_ = "not registered: has not asked a router yet";  // guarded by mutex_
  bool stopping_ = false;                                              // guarded by mutex_
  DiskFound found_;                                                    // guarded by mutex_
  std::thread thread_;
};

}  // namespace ringkv
