#include "tests/client/fake_router_grpc.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <charconv>
#include <chrono>

#include "base/check.h"

namespace ringkv {
namespace {

void SetStatus(v1::OpStatus* status, v1::Outcome outcome, v1::ErrorCode code,
               const std::string& message) {
  status->set_outcome(outcome);
  status->set_code(code);
  status->set_message(message);
}

// The status of whatever result answers `op`.
v1::OpStatus* StatusFor(const v1::Op& op, v1::OpResult& result) {
  result.set_id(op.id());
  switch (op.op_case()) {
    case v1::Op::kGet:
      return result.mutable_get()->mutable_status();
    case v1::Op::kPut:
      return result.mutable_put()->mutable_status();
    case v1::Op::kDel:
      return result.mutable_del()->mutable_status();
    case v1::Op::kIncrement:
      return result.mutable_increment()->mutable_status();
    default:
      return result.mutable_scan()->mutable_status();
  }
}

bool Retry(const v1::Op& op) {
  return op.put().retry() || op.del().retry() || op.increment().retry();
}

}  // namespace

class FakeRouter::KvService final : public v1::Kv::Service {
 public:
  explicit KvService(FakeRouter& router) : router_(router) {}

  grpc::Status Batch(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<v1::BatchResponse, v1::BatchRequest>* stream) override {
    {
      std::lock_guard lock(router_.mutex_);
      ++router_.seen_.streams;
    }
    v1::BatchRequest batch;
    while (stream->Read(&batch)) {
      {
        std::lock_guard lock(router_.mutex_);
        FakeRouter::Seen& seen = router_.seen_;
        ++seen.batches;
        seen.calls += batch.ops_size();
        seen.largest_batch = std::max<uint64_t>(seen.largest_batch, batch.ops_size());
        seen.most_bytes = std::max<uint64_t>(seen.most_bytes, batch.ByteSizeLong());
        router_.changed_.notify_all();
      }
      v1::BatchResponse response;
      for (const v1::Op& op : batch.ops()) {
        const Fault fault = router_.NextFault();
        if (fault == Fault::kSilence) continue;
        if (fault == Fault::kDropApplied || fault == Fault::kUnknownApplied) router_.Answer(op);
        if (fault == Fault::kDrop || fault == Fault::kDropApplied) {
          return {grpc::StatusCode::UNAVAILABLE, "dropped by the test"};
        }
        *response.add_results() = fault == Fault::kNone ? router_.Answer(op) : Faulty(op, fault);
      }
      if (response.results_size() > 0 && !stream->Write(response)) break;
    }
    return grpc::Status::OK;
  }

 private:
  static v1::OpResult Faulty(const v1::Op& op, Fault fault) {
    v1::OpResult result;
    v1::OpStatus* status = StatusFor(op, result);
    switch (fault) {
      case Fault::kUnavailable:
        SetStatus(status, v1::OUTCOME_NOT_APPLIED, v1::ERROR_CODE_UNAVAILABLE, "too few replicas");
        break;
      case Fault::kOverloaded:
        SetStatus(status, v1::OUTCOME_NOT_APPLIED, v1::ERROR_CODE_OVERLOADED, "queue is full");
        break;
      case Fault::kRefused:
        SetStatus(status, v1::OUTCOME_NOT_APPLIED, v1::ERROR_CODE_REFUSED, "not allowed");
        break;
      default:
        SetStatus(status, v1::OUTCOME_UNKNOWN, v1::ERROR_CODE_TIMED_OUT, "no quorum in time");
    }
    return result;
  }

  FakeRouter& router_;
};

class FakeRouter::AdminService final : public v1::Admin::Service {
 public:
  explicit AdminService(FakeRouter& router) : router_(router) {}

  grpc::Status GetCluster(grpc::ServerContext*, const v1::GetClusterRequest*,
                          v1::GetClusterResponse* response) override {
    SetStatus(response->mutable_status(), v1::OUTCOME_DONE, v1::ERROR_CODE_OK, "");
    response->set_cluster_uuid(std::string(16, '\xab'));
    response->set_router("r1");
    response->set_health(v1::HEALTH_DEGRADED);
    response->add_reasons("node n2 is down");
    response->set_epoch(7);
    response->set_replicas(3);
    response->set_slots(4096);
    response->set_groups(64);
    response->set_version("0.1.0");
    response->mutable_slot_health()->set_total(4096);
    response->mutable_slot_health()->set_fully_replicated(4000);
    response->mutable_slot_health()->set_degraded(96);
    v1::NodeStatus* node = response->add_nodes();
    node->mutable_node()->set_id("n2");
    node->mutable_node()->set_address("127.0.0.1:7510");
    node->mutable_node()->set_vnodes(128);
    node->mutable_node()->set_state(v1::NODE_STATE_MEMBER);
    node->set_reach(v1::REACH_DOWN);
    node->set_why("no answer for 12 s");
    node->set_share(0.25);
    node->set_slots(1024);
    node->set_clean_slots(928);
    node->set_behind_keys(5);
    node->set_bytes(3 << 20);
    return grpc::Status::OK;
  }
  grpc::Status GetRing(grpc::ServerContext*, const v1::GetRingRequest* request,
                       v1::GetRingResponse* response) override {
    SetStatus(response->mutable_status(), v1::OUTCOME_DONE, v1::ERROR_CODE_OK, "");
    response->set_epoch(7);
    response->set_slots(16);
    response->set_replicas(1);
    response->set_max_over_mean(1.0);
    v1::RingNode* node = response->add_nodes();
    node->set_id("n1");
    node->set_zone("rack-1");
    node->set_share(1.0);
    node->set_fair_share(1.0);
    node->set_replicas(16);
    for (uint32_t slot = 0; request->table() && slot < 16; ++slot) {
      v1::SlotPlacement* row = response->add_table();
      row->set_slot(slot);
      row->add_replicas()->set_node("n1");
    }
    return grpc::Status::OK;
  }
  grpc::Status Locate(grpc::ServerContext*, const v1::LocateRequest* request,
                      v1::LocateResponse* response) override {
    SetStatus(response->mutable_status(), v1::OUTCOME_DONE, v1::ERROR_CODE_OK, "");
    response->set_token(0xFFFFFFFFFFFFFFFF);
    response->set_slot(static_cast<uint32_t>(request->key().size()));
    response->set_owner_router("r1");
    v1::LocatedReplica* replica = response->add_replicas();
    replica->set_node("n1");
    replica->set_primary(true);
    replica->set_serves(true);
    return grpc::Status::OK;
  }
  grpc::Status CheckReplicas(grpc::ServerContext* context, const v1::CheckReplicasRequest*,
                             grpc::ServerWriter<v1::CheckReplicasEvent>* writer) override {
    std::unique_lock lock(router_.mutex_);
    const std::vector<v1::CheckReplicasEvent> events = router_.check_;
    const bool silent = router_.check_end_ == CheckEnd::kFallsSilent;
    lock.unlock();
    for (const v1::CheckReplicasEvent& event : events) writer->Write(event);
    lock.lock();
    while (silent && !context->IsCancelled()) {
      router_.changed_.wait_for(lock, std::chrono::milliseconds(20));  // nobody tells of the former
    }
    return grpc::Status::OK;
  }
  // A ring of as many nodes as the vnodes asked for: each hands one slot to the node that joins,
  // and n7 two. Whoever is to leave is not known.
  grpc::Status PlanChange(grpc::ServerContext*, const v1::PlanChangeRequest* request,
                          v1::PlanChangeResponse* response) override {
    if (request->has_remove_node()) {
      SetStatus(response->mutable_status(), v1::OUTCOME_NOT_APPLIED, v1::ERROR_CODE_NOT_FOUND,
                "node '" + request->remove_node().node() + "' is not part of the cluster");
      return grpc::Status::OK;
    }
    if (request->has_set_vnodes()) {
      SetStatus(response->mutable_status(), v1::OUTCOME_NOT_APPLIED, v1::ERROR_CODE_REFUSED, "no");
      return grpc::Status::OK;
    }
    SetStatus(response->mutable_status(), v1::OUTCOME_DONE, v1::ERROR_CODE_OK, "");
    response->set_epoch(7);
    response->set_slots(4096);
    response->set_replicas_before(3);
    response->set_replicas_after(3);
    const int nodes = static_cast<int>(request->add_node().vnodes());
    response->set_moves(static_cast<uint64_t>(nodes) + 1);
    response->set_least_moves(static_cast<uint64_t>(nodes));
    response->set_detour(v1::PLAN_DETOUR_ZONES);
    response->set_bytes(3 << 20);
    response->set_slots_without_estimate(5);
    response->add_notes("one\x1bnote");
    v1::SilentNode* silent = response->add_silent_nodes();
    silent->set_id("n3");
    silent->set_why("it did not answer in time");
    for (int i = 1; i <= nodes; ++i) {
      v1::PlannedTransfer* transfer = response->add_transfers();
      transfer->set_from("n" + std::to_string(i));
      transfer->set_to(request->add_node().node());
      transfer->set_slots(i == 7 ? 2 : 1);
      transfer->set_bytes(1 << 20);
      AddPlannedNode("n" + std::to_string(i), 50, 49, response);
    }
    AddPlannedNode(request->add_node().node(), 0, 500, response);
    return grpc::Status::OK;
  }

 private:
  static void AddPlannedNode(const std::string& id, uint64_t before, uint64_t after,
                             v1::PlanChangeResponse* response) {
    v1::PlannedNode* node = response->add_nodes();
    node->set_id(id);
    node->set_address("127.0.0.1:7500");
    node->mutable_before()->set_vnodes(before == 0 ? 0 : 128);
    node->mutable_before()->set_replicas(before);
    node->mutable_before()->set_share(before == 0 ? 0 : 0.5);
    node->mutable_after()->set_vnodes(128);
    node->mutable_after()->set_replicas(after);
    node->mutable_after()->set_share(0.25);
    node->mutable_after()->set_bytes(1 << 20);
  }

  FakeRouter& router_;
};

FakeRouter::FakeRouter()
    : kv_(std::make_unique<KvService>(*this)), admin_(std::make_unique<AdminService>(*this)) {
  Start();
}

FakeRouter::~FakeRouter() { Stop(); }

void FakeRouter::Start() {
  server_ = std::make_unique<GrpcServer>();
  const Status status =
      server_->Start(address_.empty() ? "127.0.0.1:0" : address_, {kv_.get(), admin_.get()});
  RINGKV_CHECK(status.ok(), status.message());
  address_ = server_->address();
}

void FakeRouter::Stop() {
  if (server_) server_->Stop(Duration(0));
  server_.reset();
}

void FakeRouter::SetCheck(std::vector<v1::CheckReplicasEvent> events, CheckEnd end) {
  std::lock_guard lock(mutex_);
  check_ = std::move(events);
  check_end_ = end;
}

void FakeRouter::Inject(Fault fault, int times) {
  std::lock_guard lock(mutex_);
  for (int i = 0; i < times; ++i) faults_.push_back(fault);
}

void FakeRouter::InjectAlways(Fault fault) {
  std::lock_guard lock(mutex_);
  always_ = fault;
}

FakeRouter::Seen FakeRouter::seen() const {
  std::lock_guard lock(mutex_);
  return seen_;
}

bool FakeRouter::WaitForCalls(uint64_t calls) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::seconds(10), [&] { return seen_.calls >= calls; });
}

std::map<std::string, FakeRouter::Stored> FakeRouter::data() const {
  std::lock_guard lock(mutex_);
  return data_;
}

void FakeRouter::Set(const std::string& key, const std::string& value) {
  std::lock_guard lock(mutex_);
  data_[key] = {.value = value, .seq = ++last_seq_};
}

Fault FakeRouter::NextFault() {
  std::lock_guard lock(mutex_);
  if (faults_.empty()) return always_;
  const Fault fault = faults_.front();
  faults_.pop_front();
  return fault;
}

v1::OpResult FakeRouter::Answer(const v1::Op& op) {
  v1::OpResult result;
  std::lock_guard lock(mutex_);
  if (Retry(op)) ++seen_.retries;
  SetStatus(StatusFor(op, result), v1::OUTCOME_DONE, v1::ERROR_CODE_OK, "");
  Apply(op, result);
  return result;
}

void FakeRouter::Apply(const v1::Op& op, v1::OpResult& result) {
  switch (op.op_case()) {
    case v1::Op::kGet: {
      const auto found = data_.find(op.get().key());
      v1::GetResponse& response = *result.mutable_get();
      if (found == data_.end()) {
        SetStatus(response.mutable_status(), v1::OUTCOME_DONE, v1::ERROR_CODE_NOT_FOUND, "");
        return;
      }
      response.set_value(found->second.value);
      response.mutable_version()->set_term(1);
      response.mutable_version()->set_seq(found->second.seq);
      response.set_expires_at_ms(found->second.expires_at_ms);
      return;
    }
    case v1::Op::kPut:
      return Put(op.put(), *result.mutable_put());
    case v1::Op::kDel:
      return Delete(op.del(), *result.mutable_del());
    case v1::Op::kIncrement:
      return Increment(op.increment(), *result.mutable_increment());
    default:
      return Scan(op.scan(), *result.mutable_scan());
  }
}

void FakeRouter::Put(const v1::PutRequest& request, v1::PutResponse& response) {
  const std::pair id(request.request_id().client(), request.request_id().number());
  if (const auto done = applied_.find(id); request.retry() && done != applied_.end()) {
    *response.mutable_version() = done->second;
    return;
  }
  const auto found = data_.find(request.key());
  const uint64_t seq = found == data_.end() ? 0 : found->second.seq;
  const bool met = !(request.if_absent() && seq != 0) &&
                   !(request.has_if_version() && request.if_version().seq() != seq);
  if (!met) {
    SetStatus(response.mutable_status(), v1::OUTCOME_DONE, v1::ERROR_CODE_CONDITION_FAILED, "");
    response.mutable_version()->set_term(seq == 0 ? 0 : 1);
    response.mutable_version()->set_seq(seq);
    return;
  }
  Stored& stored = data_[request.key()];
  stored.value = request.value();
  stored.seq = ++last_seq_;
  stored.expires_at_ms = request.expires_at_ms();
  if (request.ttl_ms() != 0) stored.expires_at_ms = 1'800'000'000'000 + request.ttl_ms();
  ++stored.writes;
  response.mutable_version()->set_term(1);
  response.mutable_version()->set_seq(stored.seq);
  applied_[id] = response.version();
}

void FakeRouter::Delete(const v1::DeleteRequest& request, v1::DeleteResponse& response) {
  const auto found = data_.find(request.key());
  if (found == data_.end()) {
    SetStatus(response.mutable_status(), v1::OUTCOME_DONE, v1::ERROR_CODE_NOT_FOUND, "");
    return;
  }
  if (request.has_if_version() && request.if_version().seq() != found->second.seq) {
    SetStatus(response.mutable_status(), v1::OUTCOME_DONE, v1::ERROR_CODE_CONDITION_FAILED, "");
    return;
  }
  data_.erase(found);
  response.mutable_version()->set_term(1);
  response.mutable_version()->set_seq(++last_seq_);
}

void FakeRouter::Increment(const v1::IncrementRequest& request, v1::IncrementResponse& response) {
  Stored& stored = data_[request.key()];
  int64_t number = 0;
  const char* end = stored.value.data() + stored.value.size();
  const auto [stop, error] = std::from_chars(stored.value.data(), end, number);
  if (!stored.value.empty() && (error != std::errc() || stop != end)) {
    SetStatus(response.mutable_status(), v1::OUTCOME_NOT_APPLIED, v1::ERROR_CODE_NOT_AN_INTEGER,
              "the value is not an integer");
    return;
  }
  number += request.delta();
  stored.value = std::to_string(number);
  stored.seq = ++last_seq_;
  ++stored.writes;
  response.set_value(number);
  response.mutable_version()->set_term(1);
  response.mutable_version()->set_seq(stored.seq);
}

void FakeRouter::Scan(const v1::ScanRequest& request, v1::ScanResponse& response) {
  ++seen_.pages;
  auto at = request.cursor().empty() ? data_.lower_bound(request.prefix())
                                     : data_.upper_bound(request.cursor());
  size_t bytes = 0;
  std::string last;
  for (; at != data_.end() && at->first.starts_with(request.prefix()); ++at) {
    const bool full =
        static_cast<size_t>(response.entries_size()) >= page_entries_ || bytes > (1 << 20) ||
        (request.limit() != 0 && static_cast<uint64_t>(response.entries_size()) >= request.limit());
    if (full) {
      response.set_cursor(last);
      return;
    }
    v1::ScanEntry* entry = response.add_entries();
    entry->set_key(at->first);
    if (!request.keys_only()) entry->set_value(at->second.value);
    entry->mutable_version()->set_term(1);
    entry->mutable_version()->set_seq(at->second.seq);
    entry->set_expires_at_ms(at->second.expires_at_ms);
    bytes += at->first.size() + at->second.value.size();
    last = at->first;
  }
}

}  // namespace ringkv
