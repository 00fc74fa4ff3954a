#include "kvnode/boot_sequence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <set>

#include "kvnode/instance_facts.h"
#include "kvnode/memory_store.h"
#include "kvnode/replica.h"
#include "tests/kvnode/fake_registrar.h"

namespace ringkv {
namespace {

using Kind = BootStep::Kind;
using ::testing::HasSubstr;

NodeId Id(std::string_view text) { return NodeId::Parse(text).value(); }

v1::DiskInstance InstanceOf(Store& store, uint32_t slot, uint64_t inc) {
  v1::DiskInstance fact;
  auto bytes = store.GetMeta(InstanceMetaName(SlotId(slot), Incarnation(inc)));
  EXPECT_TRUE(bytes.ok()) << slot << "/" << inc << " is not there";
  if (bytes.ok()) {
    EXPECT_TRUE(fact.ParseFromString(*bytes));
  }
  return fact;
}

v1::DiskPromise PromiseOf(Store& store, uint32_t group) {
  v1::DiskPromise fact;
  auto bytes = store.GetMeta(PromiseMetaName(GroupId(group)));
  if (bytes.ok()) {
    EXPECT_TRUE(fact.ParseFromString(*bytes));
  }
  return fact;
}

uint64_t BootOnDisk(Store& store) {
  v1::DiskBoot fact;
  auto bytes = store.GetMeta("node/boot");
  if (bytes.ok()) {
    EXPECT_TRUE(fact.ParseFromString(*bytes));
  }
  return fact.boot();
}

// A machine with a disk, on which node n1 is started again and again.
class Machine {
 public:
  BootOptions Options() {
    BootOptions options;
    options.node = Id("n1");
    options.address = "127.0.0.1:7500";
    options.version = "test";
    options.fresh_store_uuid = std::string(8, 'u');
    for (uint64_t number = random.Next(); options.fresh_store_uuid.size() < 16; number >>= 8) {
      options.fresh_store_uuid += static_cast<char>(number);
    }
    options.kernel_boot_id = "kernel-" + std::to_string(kernel);
    options.synced_writes = synced_writes;
    return options;
  }

  void LosePower(size_t batches_kept = 0) {
    disk.CrashLosingUnsynced(batches_kept);
    ++kernel;
  }

  MemoryStore disk;
  FakeRegistrar registrar;
  Random random{7};
  int kernel = 1;
  bool synced_writes = false;
};

// Runs a start to kServe or to the first other step that is no question. nullopt: the store failed.
struct Outcome {
  BootStep step;
  Registered registered;
};
std::optional<Outcome> RunStart(Store& store, Machine& machine, BootOptions options) {
  BootSequence sequence(store, machine.random, std::move(options));
  Result<BootStep> step = sequence.Begin();
  while (step.ok() && step->kind == Kind::kAsk) {
    step = sequence.OnReply(machine.registrar.Register(step->request));
  }
  if (!step.ok()) {
    EXPECT_EQ(step.status().code(), StatusCode::kIoError) << step.status().ToString();
    return std::nullopt;
  }
  return Outcome{*step, sequence.registered()};
}
std::optional<Outcome> RunStart(Machine& machine) {
  return RunStart(machine.disk, machine, machine.Options());
}

TEST(BootSequence, FirstDiskOfANodeVotesAndTakesThePromises) {
  Machine machine;
  machine.registrar.Grant(3, 1);
  machine.registrar.Grant(9, 4);
  machine.registrar.Own(2, 7, 0x77);
  machine.registrar.Own(3, 0, 0);
  auto outcome = RunStart(machine);
  ASSERT_TRUE(outcome.has_value());
  EXPECT_EQ(outcome->step.kind, Kind::kServe);
  EXPECT_EQ(outcome->registered.boot, Boot(1));
  EXPECT_EQ(outcome->registered.cluster_uuid, machine.registrar.cluster_uuid);
  EXPECT_EQ(outcome->registered.slots, 16u);
  EXPECT_EQ(outcome->registered.instances, 2u);
  EXPECT_EQ(outcome->registered.non_voting, 0u);
  EXPECT_TRUE(InstanceOf(machine.disk, 3, 1).voting());
  EXPECT_TRUE(InstanceOf(machine.disk, 9, 4).voting());
  EXPECT_EQ(PromiseOf(machine.disk, 2).term(), 7u);
  EXPECT_EQ(PromiseOf(machine.disk, 2).owner(), 0x77u);
  EXPECT_EQ(PromiseOf(machine.disk, 3).term(), 0u);
}

TEST(BootSequence, LearnerDoesNotVoteEvenOnAFirstDisk) {
  Machine machine;
  machine.registrar.Grant(3, 1);
  machine.registrar.instances.back().set_learner(true);
  auto outcome = RunStart(machine);
  ASSERT_TRUE(outcome.has_value());
  EXPECT_EQ(outcome->registered.non_voting, 1u);
  EXPECT_FALSE(InstanceOf(machine.disk, 3, 1).voting());
}

TEST(BootSequence, EverythingThatServingRestsOnIsSynced) {
  Machine machine;
  machine.registrar.Grant(3, 1);
  ASSERT_TRUE(RunStart(machine).has_value());
  EXPECT_EQ(machine.disk.unsynced_batches(), 0u);
}

// Else the power takes what the metadata knows of, and the disk looks like an older one.
TEST(BootSequence, WhatAnEarlierProcessCouldNotSyncIsSyncedBeforeAnythingRestsOnIt) {
  Machine machine;
  machine.registrar.Grant(3, 1);
  ASSERT_TRUE(RunStart(machine).has_value());
  machine.disk.SetDiskErrorAfterNextWrite();
  ASSERT_FALSE(RunStart(machine).has_value()) << "the write of its intent fails";
  machine.disk.SetDiskError(false);
  machine.disk.Crash();
  BootSequence second(machine.disk, machine.random, machine.Options());
  auto step = second.Begin();
  ASSERT_TRUE(step.ok());
  machine.registrar.Register(step->request);  // and nobody hears the answer
  machine.LosePower();
  auto third = RunStart(machine);
  ASSERT_TRUE(third.has_value());
  EXPECT_EQ(third->step.kind, Kind::kServe) << third->step.reason;
}

TEST(BootSequence, NewDiskUnderAnOldIdDoesNotVote) {
  Machine machine;
  machine.registrar.Grant(3, 1);
  machine.registrar.Own(0, 5, 0x55);
  ASSERT_TRUE(RunStart(machine).has_value());
  machine.disk.Wipe();
  auto outcome = RunStart(machine);
  ASSERT_TRUE(outcome.has_value());
  EXPECT_EQ(outcome->step.kind, Kind::kServe);
  EXPECT_EQ(outcome->registered.boot, Boot(2));
  EXPECT_EQ(outcome->registered.non_voting, 1u);
  EXPECT_FALSE(InstanceOf(machine.disk, 3, 1).voting());
  EXPECT_EQ(PromiseOf(machine.disk, 0).term(), 5u);
}

TEST(BootSequence, NewDiskUnderAnOldIdIsToldTheLastBootAndNamesIt) {
  Machine machine;
  ASSERT_TRUE(RunStart(machine).has_value());
  machine.disk.Wipe();
  BootSequence sequence(machine.disk, machine.random, machine.Options());
  auto step = sequence.Begin();
  ASSERT_TRUE(step.ok());
  EXPECT_EQ(step->request.after_boot(), 0u);
  const uint64_t nonce = step->request.nonce();
  step = sequence.OnReply(machine.registrar.Register(step->request));
  ASSERT_TRUE(step.ok());
  ASSERT_EQ(step->kind, Kind::kAsk);
  EXPECT_EQ(step->request.after_boot(), 1u);
  EXPECT_EQ(step->request.nonce(), nonce);
  // Another disk was faster: asked again after it, and not at once.
  machine.registrar.nodes["n1"].boot = 2;
  step = sequence.OnReply(machine.registrar.Register(step->request));
  ASSERT_TRUE(step.ok());
  ASSERT_EQ(step->kind, Kind::kAskLater);
  EXPECT_THAT(step->reason, HasSubstr("only one process"));
  EXPECT_EQ(step->request.after_boot(), 2u);
  step = sequence.OnReply(machine.registrar.Register(step->request));
  ASSERT_TRUE(step.ok());
  EXPECT_EQ(step->kind, Kind::kServe);
  EXPECT_EQ(sequence.registered().boot, Boot(3));
}

TEST(BootSequence, DiskThatHasBootedIsNotTakenForANewOne) {
  Machine machine;
  ASSERT_TRUE(RunStart(machine).has_value());
  BootSequence sequence(machine.disk, machine.random, machine.Options());
  ASSERT_TRUE(sequence.Begin().ok());
  v1::RegisterReply reply;
  reply.set_outcome(v1::REGISTER_OUTCOME_CONFIRM);
  reply.set_boot(1);
  auto step = sequence.OnReply(reply);
  ASSERT_TRUE(step.ok());
  EXPECT_EQ(step->kind, Kind::kRefused);
}

TEST(BootSequence, DiskKeepsAPromiseThatIsNewerThanTheMetadataAnswers) {
  Machine machine;
  machine.registrar.Own(0, 5, 0x55);
  ASSERT_TRUE(RunStart(machine).has_value());
  v1::DiskPromise newer;
  newer.set_term(9);
  newer.set_owner(0x99);
  StoreBatch batch;
  batch.PutMeta(PromiseMetaName(GroupId(0)), newer.SerializeAsString());
  ASSERT_TRUE(machine.disk.Write(batch, true).ok());
  ASSERT_TRUE(RunStart(machine).has_value());
  EXPECT_EQ(PromiseOf(machine.disk, 0).term(), 9u);
}

TEST(BootSequence, InstanceThatTheDiskLacksIsMadeWithoutAVote) {
  Machine machine;
  ASSERT_TRUE(RunStart(machine).has_value());
  machine.registrar.Grant(5, 2);
  auto outcome = RunStart(machine);
  ASSERT_TRUE(outcome.has_value());
  EXPECT_FALSE(InstanceOf(machine.disk, 5, 2).voting());
  EXPECT_EQ(outcome->registered.non_voting, 1u);
}

TEST(BootSequence, RetiredInstanceStaysRetired) {
  Machine machine;
  machine.registrar.Grant(5, 2);
  ASSERT_TRUE(RunStart(machine).has_value());
  v1::DiskInstance retired;
  retired.set_retired(true);
  StoreBatch batch;
  batch.PutMeta(InstanceMetaName(SlotId(5), Incarnation(2)), retired.SerializeAsString());
  ASSERT_TRUE(machine.disk.Write(batch, true).ok());
  auto outcome = RunStart(machine);
  ASSERT_TRUE(outcome.has_value());
  EXPECT_TRUE(InstanceOf(machine.disk, 5, 2).retired());
  EXPECT_EQ(outcome->registered.instances, 0u);
}

TEST(BootSequence, VotesAfterTheProcessDiedButTheSystemLived) {
  Machine machine;
  machine.registrar.Grant(1, 1);
  ASSERT_TRUE(RunStart(machine).has_value());
  machine.disk.Crash();
  auto outcome = RunStart(machine);
  ASSERT_TRUE(outcome.has_value());
  EXPECT_TRUE(InstanceOf(machine.disk, 1, 1).voting());
  EXPECT_FALSE(outcome->registered.lost_writes);
}

TEST(BootSequence, LosesTheVoteWithTheOperatingSystem) {
  Machine machine;
  machine.registrar.Grant(1, 1);
  ASSERT_TRUE(RunStart(machine).has_value());
  machine.LosePower();
  auto outcome = RunStart(machine);
  ASSERT_TRUE(outcome.has_value());
  EXPECT_EQ(outcome->step.kind, Kind::kServe);
  EXPECT_FALSE(InstanceOf(machine.disk, 1, 1).voting());
  EXPECT_TRUE(outcome->registered.lost_writes);
  EXPECT_EQ(outcome->registered.non_voting, 1u);
}

TEST(BootSequence, CopyThatLostNoMoreThanTheUnsyncedEndSaysSo) {
  Machine machine;
  machine.registrar.Grant(1, 1);
  BootOptions options = machine.Options();
  options.sync_window = std::chrono::milliseconds(250);
  ASSERT_TRUE(RunStart(machine.disk, machine, options).has_value());
  EXPECT_FALSE(InstanceOf(machine.disk, 1, 1).has_lost_tail());
  machine.LosePower();
  ASSERT_TRUE(RunStart(machine).has_value());  // and with another window from now on
  ASSERT_TRUE(InstanceOf(machine.disk, 1, 1).has_lost_tail());
  EXPECT_EQ(InstanceOf(machine.disk, 1, 1).lost_tail().window_ms(), 250u);
  // Without a vote it acknowledged nothing that counts: once more costs nothing more.
  machine.LosePower();
  ASSERT_TRUE(RunStart(machine).has_value());
  EXPECT_EQ(InstanceOf(machine.disk, 1, 1).lost_tail().window_ms(), 250u);
  // A damaged log may have taken anything.
  options = machine.Options();
  options.store_lost_tail = true;
  ASSERT_TRUE(RunStart(machine.disk, machine, options).has_value());
  EXPECT_FALSE(InstanceOf(machine.disk, 1, 1).has_lost_tail());
  EXPECT_FALSE(InstanceOf(machine.disk, 1, 1).voting());
}

TEST(BootSequence, NewDiskOrDamagedLogMayLackAnything) {
  Machine machine;
  machine.registrar.Grant(1, 1);
  ASSERT_TRUE(RunStart(machine).has_value());
  BootOptions options = machine.Options();
  options.store_lost_tail = true;
  ASSERT_TRUE(RunStart(machine.disk, machine, options).has_value());
  EXPECT_FALSE(InstanceOf(machine.disk, 1, 1).voting());
  EXPECT_FALSE(InstanceOf(machine.disk, 1, 1).has_lost_tail());
  machine.disk.Wipe();
  ASSERT_TRUE(RunStart(machine).has_value());
  EXPECT_FALSE(InstanceOf(machine.disk, 1, 1).voting());
  EXPECT_FALSE(InstanceOf(machine.disk, 1, 1).has_lost_tail());
}

TEST(BootSequence, UnknownKernelBootCountsAsAnother) {
  Machine machine;
  machine.registrar.Grant(1, 1);
  BootOptions options = machine.Options();
  options.kernel_boot_id.clear();
  ASSERT_TRUE(RunStart(machine.disk, machine, options).has_value());
  ASSERT_TRUE(RunStart(machine.disk, machine, options).has_value());
  EXPECT_FALSE(InstanceOf(machine.disk, 1, 1).voting());
}

TEST(BootSequence, VotesAfterAPowerLossIfEveryWriteWasSynced) {
  Machine machine;
  machine.synced_writes = true;
  machine.registrar.Grant(1, 1);
  ASSERT_TRUE(RunStart(machine).has_value());
  machine.LosePower();
  machine.synced_writes = false;  // what counts is how the last run wrote
  ASSERT_TRUE(RunStart(machine).has_value());
  EXPECT_TRUE(InstanceOf(machine.disk, 1, 1).voting());
  machine.LosePower();
  ASSERT_TRUE(RunStart(machine).has_value());
  EXPECT_FALSE(InstanceOf(machine.disk, 1, 1).voting());
}

TEST(BootSequence, VotesAfterACleanStopOnceAndNotForever) {
  Machine machine;
  machine.registrar.Grant(1, 1);
  ASSERT_TRUE(RunStart(machine).has_value());
  ASSERT_TRUE(MarkStoppedClean(machine.disk).ok());
  machine.LosePower();
  ASSERT_TRUE(RunStart(machine).has_value());
  EXPECT_TRUE(InstanceOf(machine.disk, 1, 1).voting());
  machine.LosePower();
  ASSERT_TRUE(RunStart(machine).has_value());
  EXPECT_FALSE(InstanceOf(machine.disk, 1, 1).voting());
}

TEST(BootSequence, DamagedLogTakesTheVoteEvenIfTheStartGetsNoFurther) {
  Machine machine;
  machine.registrar.Grant(1, 1);
  ASSERT_TRUE(RunStart(machine).has_value());
  ASSERT_TRUE(MarkStoppedClean(machine.disk).ok());
  BootOptions options = machine.Options();
  options.store_lost_tail = true;
  BootSequence sequence(machine.disk, machine.random, options);
  ASSERT_TRUE(sequence.Begin().ok());
  machine.disk.CrashLosingUnsynced(0);
  EXPECT_FALSE(InstanceOf(machine.disk, 1, 1).voting());
}

TEST(BootSequence, WaitsUntilItIsAMemberAndAsksWithTheSameNonce) {
  Machine machine;
  machine.registrar.member = false;
  BootSequence sequence(machine.disk, machine.random, machine.Options());
  auto step = sequence.Begin();
  ASSERT_TRUE(step.ok());
  uint64_t nonce = step->request.nonce();
  step = sequence.OnReply(machine.registrar.Register(step->request));
  ASSERT_TRUE(step.ok());
  EXPECT_EQ(step->kind, Kind::kAskLater);
  EXPECT_EQ(step->reason, "waits for kvctl admin add-node n1 127.0.0.1:7500");
  EXPECT_EQ(step->request.nonce(), nonce);
  machine.registrar.member = true;
  step = sequence.OnReply(machine.registrar.Register(step->request));
  ASSERT_TRUE(step.ok());
  EXPECT_EQ(step->kind, Kind::kServe);
}

TEST(BootSequence, RefusesTheDiskOfAnotherNode) {
  Machine machine;
  ASSERT_TRUE(RunStart(machine).has_value());
  BootOptions options = machine.Options();
  options.node = Id("n2");
  BootSequence sequence(machine.disk, machine.random, options);
  auto step = sequence.Begin();
  ASSERT_FALSE(step.ok());
  EXPECT_EQ(step.status().code(), StatusCode::kRefused);
  EXPECT_THAT(step.status().message(), HasSubstr("belongs to node 'n1'"));
}

TEST(BootSequence, RefusesToServeAnotherCluster) {
  Machine machine;
  ASSERT_TRUE(RunStart(machine).has_value());
  machine.registrar.cluster_uuid = std::string(16, 'd');
  auto outcome = RunStart(machine);
  ASSERT_TRUE(outcome.has_value());
  EXPECT_EQ(outcome->step.kind, Kind::kRefused);
  EXPECT_THAT(outcome->step.reason, HasSubstr("belongs to cluster 6363"));
}

TEST(BootSequence, RefusesToServeUnderMetadataOlderThanItself) {
  Machine machine;
  ASSERT_TRUE(RunStart(machine).has_value());
  FakeRegistrar backup = machine.registrar;
  ASSERT_TRUE(RunStart(machine).has_value());
  ASSERT_TRUE(RunStart(machine).has_value());
  machine.registrar = backup;
  auto outcome = RunStart(machine);
  ASSERT_TRUE(outcome.has_value());
  EXPECT_EQ(outcome->step.kind, Kind::kRefused);
  EXPECT_THAT(outcome->step.reason, HasSubstr("metadata is older than this disk"));
}

TEST(BootSequence, OldDiskIsMovedAsideAndTheNewOneDoesNotVote) {
  Machine machine;
  machine.registrar.Grant(1, 1);
  ASSERT_TRUE(RunStart(machine).has_value());
  auto backup = machine.disk.Snapshot();
  ASSERT_TRUE(RunStart(machine).has_value());
  ASSERT_TRUE(RunStart(machine).has_value());
  machine.disk.Restore(*backup);
  auto outcome = RunStart(machine);
  ASSERT_TRUE(outcome.has_value());
  EXPECT_EQ(outcome->step.kind, Kind::kMoveAside);
  machine.disk.Wipe();
  outcome = RunStart(machine);
  ASSERT_TRUE(outcome.has_value());
  EXPECT_EQ(outcome->step.kind, Kind::kServe);
  EXPECT_FALSE(InstanceOf(machine.disk, 1, 1).voting());
}

TEST(BootSequence, EmptyDiskIsNeverMovedAside) {
  Machine machine;
  BootSequence sequence(machine.disk, machine.random, machine.Options());
  ASSERT_TRUE(sequence.Begin().ok());
  v1::RegisterReply reply;
  reply.set_outcome(v1::REGISTER_OUTCOME_DISK_OLD);
  auto step = sequence.OnReply(reply);
  ASSERT_TRUE(step.ok());
  EXPECT_EQ(step->kind, Kind::kRefused);
}

TEST(BootSequence, AnswerThatMakesNoSenseChangesNothing) {
  Machine machine;
  auto make = [&](auto change) {
    BootSequence sequence(machine.disk, machine.random, machine.Options());
    auto step = sequence.Begin();
    EXPECT_TRUE(step.ok());
    FakeRegistrar registrar = machine.registrar;
    v1::RegisterReply reply = registrar.Register(step->request);
    change(&reply);
    step = sequence.OnReply(reply);
    EXPECT_TRUE(step.ok());
    EXPECT_EQ(step->kind, Kind::kRefused);
    EXPECT_THAT(step->reason, HasSubstr("makes no sense"));
    EXPECT_EQ(BootOnDisk(machine.disk), 0u);
  };
  make([](auto* reply) { reply->set_boot(0); });
  make([](auto* reply) { reply->set_cluster_uuid("short"); });
  make([](auto* reply) { reply->set_slots(17); });
  make([](auto* reply) { reply->set_groups(0); });
  make([](auto* reply) { reply->set_groups(32); });
  make([](auto* reply) { reply->add_promises()->set_group(4); });
  make([](auto* reply) { reply->add_instances()->set_slot(16); });
}

TEST(BootSequence, UnreadableFactIsAnErrorAndNotAnEmptyDisk) {
  for (const char* name : {"node/identity", "node/boot", "node/intent", "node/running"}) {
    Machine machine;
    ASSERT_TRUE(RunStart(machine).has_value());
    StoreBatch batch;
    batch.PutMeta(name, "\xff\xff\xff");
    ASSERT_TRUE(machine.disk.Write(batch, true).ok());
    BootSequence sequence(machine.disk, machine.random, machine.Options());
    auto step = sequence.Begin();
    ASSERT_FALSE(step.ok()) << name;
    EXPECT_EQ(step.status().code(), StatusCode::kCorruption);
  }
}

TEST(BootSequence, FactsWithoutAnIdentityAreAnError) {
  Machine machine;
  ASSERT_TRUE(RunStart(machine).has_value());
  StoreBatch batch;
  batch.EraseMeta("node/identity");
  ASSERT_TRUE(machine.disk.Write(batch, true).ok());
  BootSequence sequence(machine.disk, machine.random, machine.Options());
  auto step = sequence.Begin();
  ASSERT_FALSE(step.ok());
  EXPECT_EQ(step.status().code(), StatusCode::kCorruption);
}

// ---- crashes

// Fails for good at the n-th write: before it is applied, or after.
class CrashingStore final : public Store {
 public:
  enum class When { kBefore, kAfter };
  CrashingStore(Store& inner, int at_write, When when)
      : inner_(inner), left_(at_write), when_(when) {}

  bool crashed() const { return left_ <= 0; }

  Status Write(const StoreBatch& batch, bool sync) override {
    if (left_ <= 0) return Dead();
    if (--left_ > 0) return inner_.Write(batch, sync);
    if (when_ == When::kAfter) {
      EXPECT_TRUE(inner_.Write(batch, sync).ok());
    }
    return Dead();
  }
  void MultiGet(std::span<const RecordKey> keys, std::span<RecordLookup> out) override {
    inner_.MultiGet(keys, out);
  }
  Result<ScanResult> Scan(SlotId slot, Incarnation inc, std::string_view after,
                          std::string_view prefix, const ScanLimits& limits) override {
    return inner_.Scan(slot, inc, after, prefix, limits);
  }
  Status DropInstance(SlotId slot, Incarnation inc) override { return Dead(); }
  Result<std::string> GetMeta(std::string_view name) override { return inner_.GetMeta(name); }
  Result<std::vector<std::pair<std::string, std::string>>> ListMeta(
      std::string_view prefix) override {
    return inner_.ListMeta(prefix);
  }
  Status Sync() override { return inner_.Sync(); }
  StoreStats Stats() override { return inner_.Stats(); }
  Result<std::vector<uint64_t>> EstimateSizes(std::span<const InstanceName> instances) override {
    return inner_.EstimateSizes(instances);
  }

 private:
  static Status Dead() { return Status::IoError("crashed"); }
  Store& inner_;
  int left_;
  const When when_;
};

// What was acknowledged on slot 1 of the machine: a vote needs all of it.
class Acknowledged {
 public:
  void Write(Machine& machine, bool sync) {
    v1::Record record;
    record.mutable_version()->set_term(1);
    record.mutable_version()->set_seq(keys_.size() + 1);
    std::string key = "k" + std::to_string(keys_.size());
    StoreBatch batch;
    batch.PutRecord({SlotId(1), Incarnation(1), key}, record);
    ASSERT_TRUE(machine.disk.Write(batch, sync).ok());
    keys_.push_back(key);
  }

  bool AllThere(Machine& machine) const {
    for (const std::string& key : keys_) {
      RecordKey name{SlotId(1), Incarnation(1), key};
      RecordLookup found;
      machine.disk.MultiGet({&name, 1}, {&found, 1});
      if (!found.found) return false;
    }
    return true;
  }

  // What the routers do: everything is there again, and the instance votes.
  void Reinstate(Machine& machine) {
    size_t count = keys_.size();
    keys_.clear();
    for (size_t i = 0; i < count; ++i) Write(machine, true);
    v1::DiskInstance fact = InstanceOf(machine.disk, 1, 1);
    fact.set_voting(true);
    StoreBatch batch;
    batch.PutMeta(InstanceMetaName(SlotId(1), Incarnation(1)), fact.SerializeAsString());
    ASSERT_TRUE(machine.disk.Write(batch, true).ok());
  }

 private:
  std::vector<std::string> keys_;
};

enum class Before { kFirstStart, kKilled, kPowerLost, kStoppedClean, kWiped, kSyncedPowerLost };
enum class Death { kProcess, kPower };

void PrepareMachine(Before before, Machine* machine, Acknowledged* acknowledged) {
  machine->registrar.Grant(1, 1);
  machine->registrar.Own(0, 3, 0x33);
  if (before == Before::kFirstStart) return;
  machine->synced_writes = before == Before::kSyncedPowerLost;
  ASSERT_TRUE(RunStart(*machine).has_value());
  acknowledged->Write(*machine, true);
  acknowledged->Write(*machine, machine->synced_writes);
  switch (before) {
    case Before::kKilled:
      return machine->disk.Crash();
    case Before::kStoppedClean:
      ASSERT_TRUE(MarkStoppedClean(machine->disk).ok());
      return machine->LosePower();
    case Before::kWiped:
      return machine->disk.Wipe();
    default:
      return machine->LosePower();
  }
}

// Whether the machine's only instance has lost nothing and must not lose its vote for nothing.
bool KeepsVote(Before before, Death death) {
  switch (before) {
    case Before::kFirstStart:
    case Before::kStoppedClean:
    case Before::kSyncedPowerLost:
      return true;
    case Before::kKilled:
      return death == Death::kProcess;
    default:
      return false;
  }
}

// The disk says that a node runs on it whose writes are not synced.
bool RunsUnsynced(Store& store) {
  v1::DiskRunning fact;
  auto bytes = store.GetMeta("node/running");
  return bytes.ok() && fact.ParseFromString(*bytes) && !fact.stopped_clean() &&
         !fact.synced_writes();
}

// Crashes at write `at` of a start, then starts again. False: the start has fewer writes.
bool CrashOnceAndRecover(Before before, Death death, CrashingStore::When when, int at) {
  Machine machine;
  Acknowledged acknowledged;
  PrepareMachine(before, &machine, &acknowledged);
  CrashingStore crashing(machine.disk, at, when);
  auto interrupted = RunStart(crashing, machine, machine.Options());
  if (interrupted.has_value()) return false;
  // The last write says that the node may serve: whether it did cannot be known afterwards.
  const bool may_have_served = RunsUnsynced(machine.disk) && before != Before::kKilled;
  if (death == Death::kPower) {
    machine.LosePower();
  } else {
    machine.disk.Crash();
  }
  auto outcome = RunStart(machine);
  EXPECT_TRUE(outcome.has_value());
  if (!outcome.has_value()) return true;
  EXPECT_EQ(outcome->step.kind, Kind::kServe) << outcome->step.reason;
  EXPECT_EQ(BootOnDisk(machine.disk), machine.registrar.nodes["n1"].boot);
  EXPECT_EQ(outcome->registered.boot.value(), machine.registrar.nodes["n1"].boot);
  EXPECT_GE(PromiseOf(machine.disk, 0).term(), 3u);
  bool votes = InstanceOf(machine.disk, 1, 1).voting();
  if (votes) {
    EXPECT_TRUE(acknowledged.AllThere(machine)) << "votes without what it acknowledged";
  }
  EXPECT_EQ(votes, KeepsVote(before, death) && !(may_have_served && death == Death::kPower));
  EXPECT_EQ(machine.disk.unsynced_batches(), 0u);
  return true;
}

TEST(BootSequenceCrash, AtAnyWriteIsNoMismatchAndNoWrongVote) {
  int points = 0;
  for (Before before : {Before::kFirstStart, Before::kKilled, Before::kPowerLost,
                        Before::kStoppedClean, Before::kWiped, Before::kSyncedPowerLost}) {
    for (Death death : {Death::kProcess, Death::kPower}) {
      for (CrashingStore::When when : {CrashingStore::When::kBefore, CrashingStore::When::kAfter}) {
        for (int at = 1; at < 20; ++at) {
          SCOPED_TRACE(testing::Message() << "before=" << static_cast<int>(before)
                                          << " death=" << static_cast<int>(death)
                                          << " when=" << static_cast<int>(when) << " write=" << at);
          if (!CrashOnceAndRecover(before, death, when, at)) break;
          ++points;
        }
      }
    }
  }
  EXPECT_GE(points, 2 * 2 * (3 + 2 + 2 + 2 + 3 + 2));
}

TEST(BootSequenceCrash, ReplyLostWithTheProcessIsFinishedFirst) {
  for (Death death : {Death::kProcess, Death::kPower}) {
    Machine machine;
    machine.registrar.Grant(1, 1);
    v1::RegisterRequest sent;
    {
      BootSequence sequence(machine.disk, machine.random, machine.Options());
      auto step = sequence.Begin();
      ASSERT_TRUE(step.ok());
      sent = step->request;
      machine.registrar.Register(sent);
    }
    if (death == Death::kPower) machine.LosePower();
    BootSequence sequence(machine.disk, machine.random, machine.Options());
    auto step = sequence.Begin();
    ASSERT_TRUE(step.ok());
    EXPECT_EQ(step->request.nonce(), sent.nonce());
    EXPECT_EQ(step->request.boot(), sent.boot());
    step = sequence.OnReply(machine.registrar.Register(step->request));
    ASSERT_TRUE(step.ok());
    ASSERT_EQ(step->kind, Kind::kAsk) << "a boot that another process may have been seen under";
    EXPECT_NE(step->request.nonce(), sent.nonce());
    EXPECT_EQ(step->request.boot(), 1u);
    step = sequence.OnReply(machine.registrar.Register(step->request));
    ASSERT_TRUE(step.ok());
    EXPECT_EQ(step->kind, Kind::kServe);
    EXPECT_EQ(sequence.registered().boot, Boot(2));
    EXPECT_TRUE(InstanceOf(machine.disk, 1, 1).voting()) << "nothing was ever written to it";
  }
}

// A life of starts, crashes, wiped and old disks, at random.
void LiveAtRandom(uint64_t seed) {
  Machine machine;
  machine.random = Random(seed);
  Random dice(seed ^ 0x5eed);
  machine.registrar.Grant(1, 1);
  Acknowledged acknowledged;
  std::shared_ptr<const MemoryStore::Image> old_disk;
  uint64_t boot_of_old_disk = 0;
  for (int step = 0; step < 40; ++step) {
    machine.synced_writes = dice.Chance(0.3);
    CrashingStore store(
        machine.disk, static_cast<int>(dice.Between(1, 12)),
        dice.Chance(0.5) ? CrashingStore::When::kBefore : CrashingStore::When::kAfter);
    auto outcome = RunStart(store, machine, machine.Options());
    if (outcome.has_value() && outcome->step.kind == Kind::kMoveAside) {
      machine.disk.Wipe();
      continue;
    }
    bool clean = false;
    if (outcome.has_value()) {
      ASSERT_EQ(outcome->step.kind, Kind::kServe) << outcome->step.reason;
      ASSERT_EQ(outcome->registered.boot.value(), machine.registrar.nodes["n1"].boot);
      if (InstanceOf(machine.disk, 1, 1).voting()) {
        ASSERT_TRUE(acknowledged.AllThere(machine)) << "votes without what it acknowledged";
      } else if (dice.Chance(0.7)) {
        acknowledged.Reinstate(machine);
      }
      if (InstanceOf(machine.disk, 1, 1).voting()) {
        for (uint64_t i = dice.Below(3); i > 0; --i) {
          acknowledged.Write(machine, machine.synced_writes || dice.Chance(0.3));
        }
      }
      clean = dice.Chance(0.3);
      if (clean) {
        ASSERT_TRUE(MarkStoppedClean(machine.disk).ok());
      }
    }
    if (clean && dice.Chance(0.2)) {
      old_disk = machine.disk.Snapshot();
      boot_of_old_disk = machine.registrar.nodes["n1"].boot;
    }
    if (dice.Chance(0.5)) {
      machine.LosePower(dice.Below(4));
    } else {
      machine.disk.Crash();
    }
    if (dice.Chance(0.05)) machine.disk.Wipe();
    // A copy of the present boot cannot be told from the disk itself.
    if (old_disk != nullptr && boot_of_old_disk + 1 < machine.registrar.nodes["n1"].boot &&
        dice.Chance(0.1)) {
      machine.disk.Restore(*old_disk);
    }
  }
}

TEST(BootSequenceCrash, LivesOfStartsAndCrashesAtRandom) {
  for (uint64_t seed = 1; seed <= 2000; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    LiveAtRandom(seed);
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace ringkv
