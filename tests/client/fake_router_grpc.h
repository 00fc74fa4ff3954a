// FakeRouter: a real gRPC server with the Kv and Admin services over a map in memory, which fails
// on demand. Thread-safe. What is injected applies to the next calls of the Batch stream, scans
// included, in the order in which they arrive.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "net/grpc_door.h"
#include "ringkv/v1/admin.grpc.pb.h"
#include "ringkv/v1/kv.grpc.pb.h"

namespace ringkv {

// What happens to one call instead of its being answered.
enum class Fault {
  kUnavailable,     // NOT_APPLIED, UNAVAILABLE
  kOverloaded,      // NOT_APPLIED, OVERLOADED
  kRefused,         // NOT_APPLIED, REFUSED
  kUnknown,         // not applied, UNKNOWN
  kUnknownApplied,  // applied, UNKNOWN
  kDrop,            // not applied, the stream ends
  kDropApplied,     // applied, the stream ends
  kSilence,         // not applied, never answered
  kNone,
};

class FakeRouter {
 public:
  FakeRouter();
  ~FakeRouter();

  // Listens on a free port, or on that of the last Start.
  void Start();
  void Stop();
  const std::string& address() const { return address_; }

  void Inject(Fault fault, int times = 1);
  void InjectAlways(Fault fault);  // kNone: no more
  void set_page_entries(size_t entries) { page_entries_ = entries; }

  // What `admin check` is told. Without a last event that is complete, or has an error, the stream
  // breaks off, or says nothing more.
  enum class CheckEnd { kCloses, kFallsSilent };
  void SetCheck(std::vector<v1::CheckReplicasEvent> events, CheckEnd end = CheckEnd::kCloses);

  struct Seen {
    uint64_t streams = 0;
    uint64_t batches = 0;
    uint64_t calls = 0;
    uint64_t retries = 0;  // writes with `retry` set
    uint64_t pages = 0;
    uint64_t largest_batch = 0;
    uint64_t most_bytes = 0;  // of a batch
  };
  Seen seen() const;

  // Waits, up to 10 s, until this many calls have come.
  bool WaitForCalls(uint64_t calls) const;

  struct Stored {
    std::string value;
    uint64_t seq = 0;
    uint64_t expires_at_ms = 0;
    uint64_t writes = 0;  // to this key
  };
  std::map<std::string, Stored> data() const;
  void Set(const std::string& key, const std::string& value);

 private:
  class KvService;
  class AdminService;

  Fault NextFault();
  v1::OpResult Answer(const v1::Op& op);
  void Apply(const v1::Op& op, v1::OpResult& result);
  void Put(const v1::PutRequest& request, v1::PutResponse& response);
  void Delete(const v1::DeleteRequest& request, v1::DeleteResponse& response);
  void Increment(const v1::IncrementRequest& request, v1::IncrementResponse& response);
  void Scan(const v1::ScanRequest& request, v1::ScanResponse& response);

  std::unique_ptr<KvService> kv_;
  std::unique_ptr<AdminService> admin_;
  std::unique_ptr<GrpcServer> server_;
  std::string address_;
  std::atomic<size_t> page_entries_{100};

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  // All guarded by mutex_.
  std::map<std::string, Stored> data_;
  std::map<std::pair<uint64_t, uint64_t>, v1::Version> applied_;  // by request id
  uint64_t last_seq_ = 0;
  std::deque<Fault> faults_;
  Fault always_ = Fault::kNone;
  Seen seen_;
  std::vector<v1::CheckReplicasEvent> check_;
  CheckEnd check_end_ = CheckEnd::kCloses;
};

}  // namespace ringkv
