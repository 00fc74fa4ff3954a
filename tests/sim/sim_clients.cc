#include "tests/sim/sim_clients.h"

#include <set>

#include "migration/version_proto.h"

namespace ringkv {
namespace {
using std::chrono::microseconds;
using std::chrono::milliseconds;

// What the router said to a client.
const v1::OpStatus& StatusOf(const v1::OpResult& result) {
  return result.has_get()   ? result.get().status()
         : result.has_put() ? result.put().status()
         : result.has_del() ? result.del().status()
                            : result.increment().status();
}

// The version that the client was given; none: it was given nothing.
std::optional<Version> GivenOut(const v1::OpResult& result) {
  const v1::OpStatus& status = StatusOf(result);
  if (result.has_get()) {
    if (status.code() != v1::ERROR_CODE_OK) return std::nullopt;
    return FromProto(result.get().version());
  }
  if (status.outcome() != v1::OUTCOME_DONE) return std::nullopt;
  if (result.has_put()) return FromProto(result.put().version());
  if (result.has_del()) return FromProto(result.del().version());
  return FromProto(result.increment().version());
}

// Says which request an attempt is of.
void Stamp(v1::Op* call, int client, uint64_t request, bool retry) {
  v1::RequestId id;
  id.set_client(static_cast<uint64_t>(client) + 1);
  id.set_number(request);
  if (call->has_put()) {
    *call->mutable_put()->mutable_request_id() = id;
    call->mutable_put()->set_retry(retry);
  } else if (call->has_del()) {
    *call->mutable_del()->mutable_request_id() = id;
    call->mutable_del()->set_retry(retry);
  } else {
    *call->mutable_increment()->mutable_request_id() = id;
    call->mutable_increment()->set_retry(retry);
  }
}

// The clocks count whole milliseconds.
int64_t WholeMillis(int64_t ns) { return ns / 1'000'000 * 1'000'000; }

}  // namespace

SimClients::SimClients(Scheduler& scheduler, Random& random, SimCluster& cluster, int clients,
                       int registers, int counters)
    : scheduler_(scheduler), random_(random), cluster_(cluster) {
  for (int i = 0; i < registers; ++i) registers_.push_back("r" + std::to_string(i));
  for (int i = 0; i < counters; ++i) counters_.push_back("c" + std::to_string(i));
  in_flight_.resize(clients);
  seen_.resize(clients);
  for (int i = 0; i < clients; ++i) {
    scheduler_.After(milliseconds(random_.Between(1, 200)), [this, i] { Next(i); });
  }
}

void SimClients::Next(int client) {
  if (stopped_) return;
  in_flight_[client].router = cluster_.ChooseRouter(in_flight_[client].router);
  if (in_flight_[client].router == 0) {
    scheduler_.After(milliseconds(random_.Between(5, 50)), [this, client] { Next(client); });
    return;
  }
  std::string key;
  HistoryOp op;
  v1::Op call;
  Choose(client, &key, &op, &call);
  Invoke(client, std::move(key), std::move(op), std::move(call), /*final_read=*/false);
}

void SimClients::Choose(int client, std::string* key, HistoryOp* op, v1::Op* call) {
  bool counter = random_.Chance(0.25);
  const std::vector<std::string>& keys = counter ? counters_ : registers_;
  *key = keys[random_.Below(keys.size())];
  if (random_.Chance(0.4)) {
    op->kind = HistoryOp::Kind::kGet;
    call->mutable_get()->set_key(*key);
  } else if (counter && cluster_.mix().ttl && random_.Chance(0.15)) {
    op->kind = HistoryOp::Kind::kPut;
    op->argument = std::to_string(++last_value_ * 1000);
    call->mutable_put()->set_key(*key);
    call->mutable_put()->set_value(op->argument);
    ChooseExpiry(op, call->mutable_put());
  } else if (counter) {
    op->kind = HistoryOp::Kind::kIncrement;
    op->delta = static_cast<int64_t>(random_.Between(1, 5));
    call->mutable_increment()->set_key(*key);
    call->mutable_increment()->set_delta(op->delta);
  } else {
    ChooseWrite(client, *key, op, call);
  }
}

void SimClients::ChooseWrite(int client, const std::string& key, HistoryOp* op, v1::Op* call) {
  double dice = random_.Unit();
  if (dice < 0.15) {
    op->kind = HistoryOp::Kind::kDelete;
    call->mutable_del()->set_key(key);
    return;
  }
  op->argument = "v" + std::to_string(++last_value_);
  v1::PutRequest* put = call->mutable_put();
  put->set_key(key);
  put->set_value(op->argument);
  if (cluster_.mix().ttl && random_.Chance(0.4)) ChooseExpiry(op, put);
  op->kind = HistoryOp::Kind::kPut;
  const Seen& seen = seen_[client];
  if (dice < 0.5 && seen.key == key) {
    op->kind = HistoryOp::Kind::kCas;
    op->expected = seen.value;
    ToProto(seen.version, put->mutable_if_version());
  } else if (dice < 0.65) {
    op->kind = HistoryOp::Kind::kPutAbsent;
    put->set_if_absent(true);
  }
}

void SimClients::ChooseExpiry(HistoryOp* op, v1::PutRequest* put) {
  ++expiring_;
  const uint64_t ttl_ms =
      random_.Chance(0.5) ? random_.Between(200, 1000) : random_.Between(1000, 5000);
  op->expiry.emplace();
  if (random_.Chance(0.7)) {
    put->set_ttl_ms(ttl_ms);  // from when its owner writes it
  } else {
    put->set_expires_at_ms(scheduler_.clock().WallMillis() + ttl_ms);
  }
}

void SimClients::Invoke(int client, std::string key, HistoryOp op, v1::Op call, bool final_read) {
  InFlight& mine = in_flight_[client];
  mine.key = std::move(key);
  mine.op = std::move(op);
  mine.op.client = client;
  mine.asked = std::move(call);
  mine.value = mine.op.argument;
  mine.attempts = 0;
  mine.unsure = false;
  mine.final_read = final_read;
  if (cluster_.mix().client_retries && mine.op.kind != HistoryOp::Kind::kGet) {
    mine.op.request = ++last_request_;
    Stamp(&mine.asked, client, mine.op.request, /*retry=*/false);
  }
  Send(client);
}

void SimClients::Send(int client) {
  ++operations_;
  InFlight& mine = in_flight_[client];
  mine.active = true;
  ++mine.attempts;
  mine.op.invoked = scheduler_.now().ns;
  const uint64_t number = ++last_call_;
  mine.call = number;
  mine.asked.set_id(number);
  ClientCall to_router;
  to_router.slot = cluster_.SlotFor(mine.key);
  to_router.deadline = scheduler_.now() + milliseconds(random_.Between(200, 1500));
  to_router.op = mine.asked;
  // A retry that finds its request applied has only read.
  const SimCluster::Release release{mine.router, scheduler_.now(),
                                    mine.asked.has_get() || mine.op.retry};
  to_router.done = [this, client, number, key = mine.key, release](v1::OpResult result) {
    // As from another process: the answer takes a moment.
    auto kept = std::make_shared<v1::OpResult>(std::move(result));
    scheduler_.After(microseconds(random_.Between(10, 300)),
                     [this, client, number, kept] { OnDone(client, number, *kept); });
    if (const auto version = GivenOut(*kept)) cluster_.OnReleased(key, *version, release);
  };
  const Duration patience = to_router.deadline - scheduler_.now() + milliseconds(300);
  cluster_.SubmitTo(mine.router, std::move(to_router));
  WatchRouter(client, number);
  if (mine.op.request == 0) return;
  scheduler_.After(patience, [this, client, number] { WaitNoLonger(client, number); });
}

// A router that died answers nobody: the client's connection breaks.
void SimClients::WatchRouter(int client, uint64_t number) {
  scheduler_.After(milliseconds(20), [this, client, number] {
    InFlight& mine = in_flight_[client];
    if (!mine.active || last_call_ < number || mine.router == 0) return;
    if (!cluster_.RouterAlive(mine.router)) return EndUnknown(client, /*bounded=*/true);
    WatchRouter(client, number);
  });
}

// Nor does one that is paused, which may go on with it later.
void SimClients::WaitNoLonger(int client, uint64_t number) {
  const InFlight& mine = in_flight_[client];
  if (mine.active && mine.call == number) EndUnknown(client, /*bounded=*/false);
}

void SimClients::EndUnknown(int client, bool bounded) {
  InFlight& mine = in_flight_[client];
  mine.active = false;
  if (mine.op.kind != HistoryOp::Kind::kGet) {
    ++unknown_;
    mine.op.unknown = true;
    mine.unsure = true;
    Record(mine.key, mine.op, bounded);
    if (TryAgain(client)) return;
  }
  if (mine.final_read) --final_reads_left_;
  if (!stopped_)
    scheduler_.After(milliseconds(random_.Between(1, 50)), [this, client] { Next(client); });
}

bool SimClients::TryAgain(int client) {
  const InFlight& mine = in_flight_[client];
  if (mine.op.request == 0 || !mine.unsure || mine.attempts == kMaxAttempts || stopped_)
    return false;
  scheduler_.After(milliseconds(random_.Between(1, 50)), [this, client] { Again(client); });
  return true;
}

void SimClients::Again(int client) {
  if (stopped_) return;
  InFlight& mine = in_flight_[client];
  mine.router = cluster_.ChooseRouter(mine.router);
  if (mine.router == 0) {
    scheduler_.After(milliseconds(random_.Between(5, 50)), [this, client] { Again(client); });
    return;
  }
  ++retries_;
  mine.op.retry = true;
  mine.op.unknown = false;
  mine.op.applied = true;
  Stamp(&mine.asked, client, mine.op.request, /*retry=*/true);
  if (mine.asked.has_put()) {
    const bool number = mine.value.front() != 'v';
    mine.op.argument = number ? std::to_string(std::stoll(mine.value) + mine.attempts)
                              : mine.value + "." + std::to_string(mine.attempts + 1);
    mine.asked.mutable_put()->set_value(mine.op.argument);
  }
  Send(client);
}

void SimClients::Record(const std::string& key, HistoryOp op, bool bounded) {
  if (op.expiry) {
    const v1::PutRequest& put = in_flight_[op.client].asked.put();
    if (put.expires_at_ms() != 0) {
      op.expiry->from = op.expiry->until = cluster_.AtWallMillis(put.expires_at_ms()).ns;
    } else {
      const int64_t lasts = static_cast<int64_t>(put.ttl_ms()) * 1'000'000;
      op.expiry->from = WholeMillis(op.invoked) + lasts;
      op.expiry->until =
          bounded ? WholeMillis(scheduler_.now().ns) + lasts : HistoryOp::Expiry::kUnbounded;
    }
  }
  history_[key].push_back(std::move(op));
}

void SimClients::OnDone(int client, uint64_t number, const v1::OpResult& result) {
  InFlight& mine = in_flight_[client];
  if (!mine.active || mine.call != number || !cluster_.RouterAlive(mine.router)) return;
  const v1::OpStatus& status = StatusOf(result);
  if (status.outcome() == v1::OUTCOME_UNKNOWN) return EndUnknown(client, /*bounded=*/true);
  mine.active = false;
  mine.op.answered = scheduler_.now().ns;
  bool condition =
      status.code() == v1::ERROR_CODE_CONDITION_FAILED || status.code() == v1::ERROR_CODE_NOT_FOUND;
  if (status.outcome() == v1::OUTCOME_DONE || condition) {
    ++done_;
    mine.op.applied = status.code() == v1::ERROR_CODE_OK;
    if (result.has_get() && status.code() == v1::ERROR_CODE_OK) {
      mine.op.result = result.get().value();
      seen_[client] = {mine.key, result.get().value(), FromProto(result.get().version())};
    }
    if (result.has_increment()) mine.op.result = std::to_string(result.increment().value());
    Record(mine.key, mine.op, /*bounded=*/true);
  } else {
    ++not_applied_;
    if (TryAgain(client)) return;
  }
  if (mine.final_read) --final_reads_left_;
  if (!stopped_)
    scheduler_.After(milliseconds(random_.Between(1, 250)), [this, client] { Next(client); });
}

std::vector<std::string> SimClients::keys() const {
  std::vector<std::string> keys = registers_;
  keys.insert(keys.end(), counters_.begin(), counters_.end());
  return keys;
}

void SimClients::ReadAll() {
  std::vector<std::string> keys = registers_;
  keys.insert(keys.end(), counters_.begin(), counters_.end());
  in_flight_.resize(in_flight_.size() + keys.size());
  seen_.resize(in_flight_.size());
  for (size_t i = 0; i < keys.size(); ++i) {
    v1::Op call;
    call.mutable_get()->set_key(keys[i]);
    ++final_reads_left_;
    in_flight_[in_flight_.size() - keys.size() + i].router = cluster_.router_generation();
    Invoke(static_cast<int>(in_flight_.size() - keys.size() + i), keys[i], HistoryOp{},
           std::move(call), true);
  }
}

const std::map<std::string, std::vector<HistoryOp>>& SimClients::Finish() {
  for (size_t i = 0; i < in_flight_.size(); ++i) {
    if (in_flight_[i].active) EndUnknown(static_cast<int>(i), /*bounded=*/false);
  }
  // One clock writes what another one judges.
  const int64_t skew = 2 * std::chrono::nanoseconds(cluster_.widest_clock_skew()).count();
  for (auto& [key, history] : history_) {
    std::set<uint64_t> tried_again;
    for (const HistoryOp& op : history) {
      if (op.retry) tried_again.insert(op.request);
    }
    for (HistoryOp& op : history) {
      if (op.expiry) op.expiry->skew = skew;
      // What nobody asks for again need not be kept in mind.
      if (!tried_again.contains(op.request)) op.request = 0;
    }
  }
  return history_;
}

}  // namespace ringkv
