// A simulated cluster that a test leads through a course of events, step by step. At its end
// everything that was broken comes back, and all must be clean, equal and at rest.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "migration/version_proto.h"
#include "tests/sim/sim_cluster.h"

namespace ringkv {

inline const std::string kKey = "r0";

struct Outcome {
  v1::OpStatus status;
  std::string value;
  Version version;
  bool done() const { return status.outcome() == v1::OUTCOME_DONE; }
  bool unknown() const { return status.outcome() == v1::OUTCOME_UNKNOWN; }
};

class Scenario : public testing::Test {
 protected:
  explicit Scenario(bool synced = false) : Scenario(Mix(synced)) {}
  explicit Scenario(const FaultMix& mix) : mix_(mix), cluster_(scheduler_, random_, mix_) {
    Wait(std::chrono::seconds(1));
  }

  static FaultMix Mix(bool synced) {
    FaultMix mix;
    mix.synced_writes = synced;
    return mix;
  }

  void TearDown() override {
    cluster_.LoseOps(nullptr);
    cluster_.Heal();
    std::string unrest = "no look at it";
    for (int i = 0; i < 30 && !unrest.empty(); ++i) {
      Wait(std::chrono::seconds(1));
      unrest = cluster_.CheckQuiet();
    }
    EXPECT_EQ(unrest, "");
    EXPECT_EQ(cluster_.violation(), "");
  }

  void Wait(Duration time) {
    scheduler_.RunUntil(scheduler_.now() + time, [] { return false; });
  }

  // A call that is under way.
  struct Running {
    SimCluster::Release release;
    std::shared_ptr<std::optional<v1::OpResult>> result;
    MonoTime over;  // by then it has ended, unless its router is gone
  };

  Running Begin(uint64_t router, v1::Op op, Duration timeout = std::chrono::seconds(1)) {
    Running running;
    running.result = std::make_shared<std::optional<v1::OpResult>>();
    running.over = scheduler_.now() + timeout + std::chrono::seconds(1);
    running.release = {router, scheduler_.now(), op.has_get()};
    ClientCall call;
    call.slot = cluster_.SlotFor(kKey);
    op.set_id(++last_call_);
    call.op = std::move(op);
    call.deadline = scheduler_.now() + timeout;
    call.done = [result = running.result](v1::OpResult got) { *result = std::move(got); };
    cluster_.SubmitTo(router, std::move(call));
    return running;
  }

  Outcome End(const Running& running) {
    const std::optional<v1::OpResult>& result = *running.result;
    scheduler_.RunUntil(running.over, [&] { return result.has_value(); });
    EXPECT_TRUE(result.has_value());
    Outcome outcome;
    if (!result.has_value()) return outcome;
    if (result->has_get()) {
      outcome.status = result->get().status();
      outcome.value = result->get().value();
      outcome.version = FromProto(result->get().version());
    } else if (result->has_put()) {
      outcome.status = result->put().status();
      outcome.version = FromProto(result->put().version());
    } else if (result->has_increment()) {
      outcome.status = result->increment().status();
      outcome.value = std::to_string(result->increment().value());
      outcome.version = FromProto(result->increment().version());
    } else {
      outcome.status = result->del().status();
      outcome.version = FromProto(result->del().version());
    }
    if (outcome.done() && outcome.version.term.value() != 0)
      cluster_.OnReleased(kKey, outcome.version, running.release);
    return outcome;
  }

  Outcome Call(v1::Op op, Duration timeout = std::chrono::seconds(1)) {
    return End(Begin(cluster_.router_generation(), std::move(op), timeout));
  }

  static v1::Op PutOp(const std::string& value) {
    v1::Op op;
    op.mutable_put()->set_key(kKey);
    op.mutable_put()->set_value(value);
    return op;
  }
  static v1::Op GetOp() {
    v1::Op op;
    op.mutable_get()->set_key(kKey);
    return op;
  }

  Outcome Put(const std::string& value, Version if_version = {}) {
    v1::Op op = PutOp(value);
    if (if_version != Version{}) ToProto(if_version, op.mutable_put()->mutable_if_version());
    return Call(std::move(op));
  }
  Outcome Get() { return Call(GetOp()); }
  Outcome Delete() {
    v1::Op op;
    op.mutable_del()->set_key(kKey);
    return Call(std::move(op));
  }

  // Writes (and what repairs them) reach only these nodes.
  void WritesReachOnly(std::vector<int> nodes) {
    cluster_.LoseOps([nodes](int node, const v1::ReplicaOp& op) {
      return op.has_apply() && std::find(nodes.begin(), nodes.end(), node) == nodes.end();
    });
  }
  void AllReach() { cluster_.LoseOps(nullptr); }

  // Everybody who is down comes back.
  void StartAll() {
    for (int node = 0; node < 3; ++node) {
      if (!cluster_.Up(node)) cluster_.Start(node);
    }
    if (!cluster_.RouterUp()) cluster_.RestartRouter();
  }

  // Somebody has just started: the router has to notice that first.
  void WaitBack() {
    Wait(std::chrono::seconds(1));
    WaitClean();
  }

  void WaitClean() {
    for (int i = 0; i < 30 && !cluster_.CheckQuiet().empty(); ++i) Wait(std::chrono::seconds(1));
    ASSERT_EQ(cluster_.CheckQuiet(), "");
  }

  Scheduler scheduler_;
  Random random_{1};
  const FaultMix mix_;
  SimCluster cluster_;
  uint64_t last_call_ = 0;
};

}  // namespace ringkv
