// Client: the calls of ringkv from a C++ program, asynchronous and blocking.
//
// Calls in flight together share batches on one stream to one router; large values go by a stream
// of their own. With several routers the first that answers is kept until it fails. Only what
// certainly was not applied is tried again by the client: reads always; writes when a router says
// so, or when they never left the process. A write that was sent and not answered ends in
// kUnknownOutcome, unless the caller allowed `retry_unknown`.
//
// Thread-safety: every method from any thread. Callbacks run on the client's one thread, must not
// block and must not make blocking calls; each is run exactly once, also when the client is
// destroyed (which waits for that). Limits (base/limits.h) are checked before anything is sent; a
// call that is refused at once calls back on the calling thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/status.h"
#include "client/in_flight_budget.h"

namespace ringkv {

struct Call;
class Dispatcher;

// What an asynchronous call does when max_in_flight is reached. Blocking calls always wait.
enum class WhenFull {
  kRefuse,  // ends with kOverloaded at once
  kWait,    // blocks the calling thread, within the call's deadline; never from a callback
};

struct ClientOptions {
  std::vector<std::string> routers = {"127.0.0.1:7400"};  // tried in this order
  Duration timeout = std::chrono::seconds(5);             // of calls that give none
  size_t max_in_flight = 4096;
  size_t max_in_flight_bytes = size_t{64} << 20;
  WhenFull when_full = WhenFull::kRefuse;
};

struct CallOptions {
  Duration timeout{0};  // 0: the client's
};

struct PutOptions {
  uint64_t ttl_ms = 0;         // 0: never expires; else 1 s to 10 years
  uint64_t expires_at_ms = 0;  // absolute twin of ttl_ms; at most one of them
  bool if_absent = false;      // at most one of these two
  std::optional<Version> if_version;
  // Send it again, marked as a retry, when its outcome is unknown. Only without a condition, and
  // for keys that nobody else writes meanwhile: the same value may be written twice.
  bool retry_unknown = false;
};

struct DeleteOptions {
  std::optional<Version> if_version;
};

struct ScanOptions {
  std::string prefix;  // empty: all keys
  uint64_t limit = 0;  // 0: no limit
  bool keys_only = false;
  uint32_t page_bytes = 0;  // 0: the router's default (1 MiB)
};

struct GetResult {
  Status status;  // kNotFound: no such key
  std::string value;
  Version version;
  uint64_t expires_at_ms = 0;  // 0: never
};

struct WriteResult {
  Status status;    // kConditionFailed, and for a delete kNotFound: nothing was changed
  Version version;  // of the new record; with kConditionFailed that of the current one
};

struct IncrementResult {
  Status status;
  int64_t value = 0;
  Version version;
};

struct ScanEntry {
  std::string key;
  std::string value;  // empty with keys_only
  Version version;
  uint64_t expires_at_ms = 0;
};

struct ScanPage {
  Status status;
  std::vector<ScanEntry> entries;
  std::string cursor;  // empty: the scan is complete
};

class Client {
 public:
  // Checks the options; connects with the first call.
  static Result<std::unique_ptr<Client>> Create(ClientOptions options);
  ~Client();  // ends calls in flight: kUnavailable, or kUnknownOutcome for writes that were sent
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  template <class T>
  using Callback = std::function<void(T)>;

  void GetAsync(std::string key, const CallOptions& call, Callback<GetResult> done);
  void PutAsync(std::string key, std::string value, const PutOptions& put, const CallOptions& call,
                Callback<WriteResult> done);
  void DeleteAsync(std::string key, const DeleteOptions& del, const CallOptions& call,
                   Callback<WriteResult> done);
  void IncrementAsync(std::string key, int64_t delta, const CallOptions& call,
                      Callback<IncrementResult> done);
  // One page; `cursor` is empty for the first, else that of the page before.
  void ScanPageAsync(const ScanOptions& scan, std::string cursor, const CallOptions& call,
                     Callback<ScanPage> done);

  GetResult Get(std::string key, const CallOptions& call = {});
  WriteResult Put(std::string key, std::string value, const PutOptions& put = {},
                  const CallOptions& call = {});
  WriteResult Delete(std::string key, const DeleteOptions& del = {}, const CallOptions& call = {});
  IncrementResult Increment(std::string key, int64_t delta, const CallOptions& call = {});
  ScanPage ScanOnePage(const ScanOptions& scan, std::string cursor, const CallOptions& call = {});

  // Hands every entry to `each` until the scan is complete, `limit` is reached, `each` returns
  // false, or a page fails (then that status). The timeout is for each page.
  Status Scan(const ScanOptions& scan, const std::function<bool(ScanEntry)>& each,
              const CallOptions& call = {});

  const ClientOptions& options() const { return options_; }

 private:
  explicit Client(ClientOptions options);

  enum class Full { kRefuse, kWait };
  Full AsyncFull() const;
  void Submit(std::unique_ptr<Call> call, const CallOptions& options, Full full);

  void StartGet(std::string key, const CallOptions& call, Full full, Callback<GetResult> done);
  void StartPut(std::string key, std::string value, const PutOptions& put, const CallOptions& call,
                Full full, Callback<WriteResult> done);
  void StartDelete(std::string key, const DeleteOptions& del, const CallOptions& call, Full full,
                   Callback<WriteResult> done);
  void StartIncrement(std::string key, int64_t delta, const CallOptions& call, Full full,
                      Callback<IncrementResult> done);
  void StartScanPage(const ScanOptions& scan, std::string cursor, const CallOptions& call,
                     Full full, Callback<ScanPage> done);

  const ClientOptions options_;
  const uint64_t client_id_;  // random, in every request id
  std::atomic<uint64_t> last_request_{0};
  RealClock clock_;
  InFlightBudget budget_;
  std::unique_ptr<Dispatcher> dispatcher_;  // last: its end runs callbacks that use the above
};

}  // namespace ringkv
