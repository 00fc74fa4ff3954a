#include "tests/sim/sim_clients.h"

#include "migration/version_proto.h"

namespace ringkv {
namespace {
using std::chrono::microseconds;
using std::chrono::milliseconds;
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

void SimClients::Invoke(int client, std::string key, HistoryOp op, v1::Op call, bool final_read) {
  ++operations_;
  InFlight& mine = in_flight_[client];
  mine.active = true;
  mine.key = std::move(key);
  mine.op = std::move(op);
  mine.op.client = client;
  mine.op.invoked = scheduler_.now().ns;
  mine.final_read = final_read;
  uint64_t number = ++last_call_;
  call.set_id(number);
  ClientCall to_router;
  to_router.slot = cluster_.SlotFor(mine.key);
  to_router.deadline = scheduler_.now() + milliseconds(random_.Between(200, 1500));
  to_router.op = std::move(call);
  to_router.done = [this, client, number](v1::OpResult result) {
    // As from another process: the answer takes a moment.
    auto kept = std::make_shared<v1::OpResult>(std::move(result));
    scheduler_.After(microseconds(random_.Between(10, 300)),
                     [this, client, number, kept] { OnDone(client, number, *kept); });
    const v1::OpResult& at_release = *kept;
    const InFlight& released = in_flight_[client];
    SimCluster::Release release{released.router, MonoTime{released.op.invoked}, false};
    if (at_release.has_get() && at_release.get().status().code() == v1::ERROR_CODE_OK) {
      release.read = true;
      cluster_.OnReleased(released.key, FromProto(at_release.get().version()), release);
    } else if (at_release.has_put() && at_release.put().status().outcome() == v1::OUTCOME_DONE) {
      cluster_.OnReleased(released.key, FromProto(at_release.put().version()), release);
    } else if (at_release.has_del() && at_release.del().status().outcome() == v1::OUTCOME_DONE) {
      cluster_.OnReleased(released.key, FromProto(at_release.del().version()), release);
    } else if (at_release.has_increment() &&
               at_release.increment().status().outcome() == v1::OUTCOME_DONE) {
      cluster_.OnReleased(released.key, FromProto(at_release.increment().version()), release);
    }
  };
  cluster_.SubmitTo(mine.router, std::move(to_router));
  WatchRouter(client, number);
}

// A router that died answers nobody: the client's connection breaks.
void SimClients::WatchRouter(int client, uint64_t number) {
  scheduler_.After(milliseconds(20), [this, client, number] {
    InFlight& mine = in_flight_[client];
    if (!mine.active || last_call_ < number || mine.router == 0) return;
    if (!cluster_.RouterAlive(mine.router)) return EndUnknown(client);
    WatchRouter(client, number);
  });
}

void SimClients::EndUnknown(int client) {
  InFlight& mine = in_flight_[client];
  mine.active = false;
  if (mine.op.kind != HistoryOp::Kind::kGet) {
    ++unknown_;
    mine.op.unknown = true;
    Record(mine.key, mine.op);
  }
  if (mine.final_read) --final_reads_left_;
  if (!stopped_)
    scheduler_.After(milliseconds(random_.Between(1, 50)), [this, client] { Next(client); });
}

void SimClients::Record(const std::string& key, HistoryOp op) {
  history_[key].push_back(std::move(op));
}

void SimClients::OnDone(int client, uint64_t number, const v1::OpResult& result) {
  InFlight& mine = in_flight_[client];
  if (!mine.active || result.id() != number || !cluster_.RouterAlive(mine.router)) return;
  const v1::OpStatus& status = result.has_get()   ? result.get().status()
                               : result.has_put() ? result.put().status()
                               : result.has_del() ? result.del().status()
                                                  : result.increment().status();
  if (status.outcome() == v1::OUTCOME_UNKNOWN) return EndUnknown(client);
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
    Record(mine.key, mine.op);
  } else {
    ++not_applied_;
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
    if (in_flight_[i].active) EndUnknown(static_cast<int>(i));
  }
  return history_;
}

}  // namespace ringkv
