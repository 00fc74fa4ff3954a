#include "kvnode/node_core.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <thread>

#include "kvnode/memory_store.h"
#include "tests/kvnode/gated_store.h"
#include "tests/kvnode/replica_requests.h"

namespace ringkv {
namespace {

constexpr std::chrono::seconds kDeadline(20);

// Gathers what a stream would be sent.
class CollectingSink final : public ReplySink {
 public:
  void Deliver(Answers answers) override {
    std::lock_guard lock(mutex_);
    ++deliveries_;
    boots_.push_back(answers.boot);
    for (auto& reply : answers.replies) {
      order_.push_back(reply.op());
      EXPECT_TRUE(replies_.emplace(reply.op(), std::move(reply)).second) << "answered twice";
    }
    changed_.notify_all();
  }
  bool Congested() const override { return congested; }

  void Await(size_t count) {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, kDeadline, [&] { return replies_.size() >= count; }))
        << replies_.size() << " of " << count << " replies came";
  }
  v1::ReplicaOpReply reply(uint64_t op) {
    std::lock_guard lock(mutex_);
    EXPECT_TRUE(replies_.contains(op)) << "no reply to " << op;
    return replies_[op];
  }
  v1::ReplicaCode code(uint64_t op) { return reply(op).code(); }
  size_t count(v1::ReplicaCode code) {
    std::lock_guard lock(mutex_);
    return static_cast<size_t>(std::count_if(replies_.begin(), replies_.end(), [&](auto& entry) {
      return entry.second.code() == code;
    }));
  }
  std::vector<uint64_t> boots() {
    std::lock_guard lock(mutex_);
    return boots_;
  }
  std::vector<uint64_t> order() {
    std::lock_guard lock(mutex_);
    return order_;
  }
  size_t deliveries() {
    std::lock_guard lock(mutex_);
    return deliveries_;
  }

  std::atomic<bool> congested{false};

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<uint64_t, v1::ReplicaOpReply> replies_;
  std::vector<uint64_t> order_;
  std::vector<uint64_t> boots_;
  size_t deliveries_ = 0;
};

class NodeCoreTest : public testing::Test {
 protected:
  void SetUp() override {
    PrepareDisk(disk_);
    options_.node = NodeId::Parse("n1").value();
    options_.workers = 3;
  }

  void Make(bool serve = true) {
    core_ = std::make_unique<NodeCore>(clock_, metrics_, options_,
                                       [this](const Status&) { ++failures_; });
    if (serve) {
      ASSERT_TRUE(core_->Serve(store_, TestRegistered()).ok());
    }
  }

  void Execute(v1::ReplicaBatch batch) { Execute(std::move(batch), sink_); }
  void Execute(v1::ReplicaBatch batch, std::shared_ptr<ReplySink> sink) {
    core_->Execute(std::make_shared<const v1::ReplicaBatch>(std::move(batch)), std::move(sink));
  }

  v1::ReplicaCode CodeOf(v1::ReplicaBatch batch) {
    auto sink = std::make_shared<CollectingSink>();
    uint64_t op = batch.ops(0).op();
    Execute(std::move(batch), sink);
    sink->Await(1);
    return sink->code(op);
  }

  RealClock clock_;
  MemoryMetrics metrics_;
  MemoryStore disk_;
  GatedStore store_{disk_};
  NodeCoreOptions options_;
  std::atomic<int> failures_{0};
  std::shared_ptr<CollectingSink> sink_ = std::make_shared<CollectingSink>();
  std::unique_ptr<NodeCore> core_;
};

TEST_F(NodeCoreTest, OperationsBeforeServingAreNotReadyUnderBootZero) {
  Make(/*serve=*/false);
  v1::ReplicaBatch batch = MakeBatch();
  AddHello(&batch, 1);
  AddRead(&batch, 2, 3, "k");
  Execute(batch);
  EXPECT_EQ(sink_->code(1), v1::REPLICA_CODE_NOT_READY);
  EXPECT_EQ(sink_->code(2), v1::REPLICA_CODE_NOT_READY);
  EXPECT_THAT(sink_->boots(), testing::Each(0));
}

TEST_F(NodeCoreTest, HelloAndStatisticsNeedNoWorker) {
  Make();
  store_.Close();
  v1::ReplicaBatch batch = MakeBatch();
  AddHello(&batch, 1);
  AddOp(&batch, 2, 0)->mutable_stats();
  Execute(batch);
  EXPECT_EQ(sink_->reply(1).hello().node(), "n1");
  EXPECT_EQ(sink_->reply(1).hello().store_uuid(), std::string(16, 's'));
  EXPECT_EQ(sink_->reply(2).stats().instances(), kTestSlots);
  EXPECT_EQ(sink_->reply(2).stats().voting_instances(), kTestSlots);
  EXPECT_THAT(sink_->boots(), testing::Each(5));
  store_.Open();
}

TEST_F(NodeCoreTest, DiskIsFullBelowTheReserveUntilATenthMoreIsFree) {
  options_.disk_reserve_bytes = 1000;
  Make();
  uint64_t op = 0;
  const auto full = [&](std::optional<uint64_t> free) {
    StoreStats stats;
    stats.disk_free_bytes = free;
    core_->SetStoreStats(stats);
    v1::ReplicaBatch batch = MakeBatch();
    AddOp(&batch, ++op, 0)->mutable_stats();
    Execute(batch);
    return sink_->reply(op).stats().disk_full();
  };
  const auto apply = [&] {
    v1::ReplicaBatch batch = MakeBatch();
    ++op;
    AddApply(&batch, op, 3, "k", op, "v");
    Execute(batch);
    sink_->Await(op);
    return sink_->code(op);
  };
  EXPECT_FALSE(full(1000));
  EXPECT_TRUE(full(999));
  EXPECT_EQ(apply(), v1::REPLICA_CODE_OK);  // what was begun before
  EXPECT_TRUE(full(500));
  EXPECT_EQ(apply(), v1::REPLICA_CODE_OK);
  EXPECT_TRUE(full(499));
  EXPECT_EQ(apply(), v1::REPLICA_CODE_DISK_FULL);
  EXPECT_TRUE(full(0));
  EXPECT_TRUE(full(549));
  EXPECT_EQ(apply(), v1::REPLICA_CODE_DISK_FULL);
  EXPECT_TRUE(full(550));
  EXPECT_EQ(apply(), v1::REPLICA_CODE_OK);
  EXPECT_TRUE(full(1099));
  EXPECT_FALSE(full(1100));
  EXPECT_FALSE(full(1000));
  EXPECT_FALSE(full(std::nullopt));
}

TEST_F(NodeCoreTest, StatisticsNameSomeOfTheDamagedRecordsAndAllOfThemInTime) {
  Make();
  std::vector<v1::DamagedKey> damaged(40);
  for (size_t i = 0; i < damaged.size(); ++i) damaged[i].set_key("k" + std::to_string(i));
  core_->SetDamaged(damaged);
  std::set<std::string> named;
  for (uint64_t op = 1; op <= 3; ++op) {
    v1::ReplicaBatch batch = MakeBatch();
    AddOp(&batch, op, 0)->mutable_stats();
    Execute(batch);
    EXPECT_EQ(sink_->reply(op).stats().damaged_size(), 16);
    const v1::ReplicaOpReply reply = sink_->reply(op);
    for (const v1::DamagedKey& key : reply.stats().damaged()) named.insert(key.key());
  }
  EXPECT_EQ(named.size(), 40u);
  core_->SetDamaged({});
  v1::ReplicaBatch batch = MakeBatch();
  AddOp(&batch, 9, 0)->mutable_stats();
  Execute(batch);
  EXPECT_EQ(sink_->reply(9).stats().damaged_size(), 0);
}

TEST_F(NodeCoreTest, BatchIsSplitAmongTheWorkersAndEverythingIsAnswered) {
  Make();
  v1::ReplicaBatch writes = MakeBatch();
  for (uint32_t slot = 0; slot < kTestSlots; ++slot) {
    AddApply(&writes, slot + 1, slot, "k", 1, "value" + std::to_string(slot));
  }
  Execute(writes);
  sink_->Await(kTestSlots);
  EXPECT_EQ(sink_->count(v1::REPLICA_CODE_OK), kTestSlots);
  v1::ReplicaBatch reads = MakeBatch();
  for (uint32_t slot = 0; slot < kTestSlots; ++slot) AddRead(&reads, 100 + slot, slot, "k");
  Execute(reads);
  sink_->Await(2 * kTestSlots);
  for (uint32_t slot = 0; slot < kTestSlots; ++slot) {
    EXPECT_EQ(sink_->reply(100 + slot).read().record().value(), "value" + std::to_string(slot));
    EXPECT_TRUE(sink_->reply(100 + slot).voting());
  }
  EXPECT_EQ(metrics_.Value("node_operations_total", {{"op", "apply"}, {"code", "ok"}}), kTestSlots);
  EXPECT_EQ(core_->totals().replica.applies, kTestSlots);
}

TEST_F(NodeCoreTest, PromiseGoesToTheWorkerOfItsGroup) {
  Make();
  v1::ReplicaBatch batch = MakeBatch();
  for (uint32_t group = 0; group < kTestGroups; ++group) {
    AddPromise(&batch, group + 1, group, 9, 0x99);
  }
  AddPromise(&batch, 50, kTestGroups, 9, 0x99);
  Execute(batch);
  sink_->Await(kTestGroups + 1);
  EXPECT_EQ(sink_->count(v1::REPLICA_CODE_OK), kTestGroups);
  EXPECT_EQ(sink_->code(50), v1::REPLICA_CODE_INVALID);
  v1::ReplicaBatch read = MakeBatch();
  AddRead(&read, 1, 3, "k");
  EXPECT_EQ(CodeOf(read), v1::REPLICA_CODE_STALE);
}

TEST_F(NodeCoreTest, SlotThatDoesNotExistIsInvalid) {
  Make();
  v1::ReplicaBatch batch = MakeBatch();
  AddRead(&batch, 1, kTestSlots, "k");
  EXPECT_EQ(CodeOf(batch), v1::REPLICA_CODE_INVALID);
  batch = MakeBatch();
  AddRead(&batch, 1, UINT32_MAX, "k");
  EXPECT_EQ(CodeOf(batch), v1::REPLICA_CODE_INVALID);
}

TEST_F(NodeCoreTest, BatchForAnotherClusterNodeOrFormatIsRefused) {
  Make();
  v1::ReplicaBatch batch = MakeBatch();
  AddHello(&batch, 1);
  batch.set_cluster_uuid(std::string(16, 'd'));
  EXPECT_EQ(CodeOf(batch), v1::REPLICA_CODE_WRONG_CLUSTER);
  batch = MakeBatch("n2");
  AddHello(&batch, 1);
  EXPECT_EQ(CodeOf(batch), v1::REPLICA_CODE_WRONG_NODE);
  batch = MakeBatch();
  AddHello(&batch, 1);
  batch.set_format_version(2);
  EXPECT_EQ(CodeOf(batch), v1::REPLICA_CODE_INVALID);
}

TEST_F(NodeCoreTest, OperationsOfASlotRunInTheOrderOfTheStream) {
  options_.limits.turn_ops = 7;  // turns end in the middle of batches
  Make();
  constexpr int kBatches = 40, kPerBatch = 10;
  uint64_t op = 0;
  for (int b = 0; b < kBatches; ++b) {
    v1::ReplicaBatch batch = MakeBatch();
    for (int i = 0; i < kPerBatch; ++i) {
      ++op;
      AddApply(&batch, op, static_cast<uint32_t>(op % kTestSlots), "k", op, "v");
    }
    Execute(batch);
  }
  sink_->Await(op);
  std::map<uint64_t, uint64_t> last_of_slot;
  for (uint64_t number : sink_->order()) {
    EXPECT_GT(number, last_of_slot[number % kTestSlots]);
    last_of_slot[number % kTestSlots] = number;
    EXPECT_EQ(sink_->reply(number).apply().stored().seq(), number) << "ran after a later one";
  }
}

TEST_F(NodeCoreTest, WhatWaitsIsExecutedTogetherAndAnsweredOncePerStream) {
  options_.workers = 1;
  Make();
  auto other = std::make_shared<CollectingSink>();
  store_.Close();
  v1::ReplicaBatch first = MakeBatch();
  AddRead(&first, 1, 0, "k");
  Execute(first);
  store_.AwaitWaiting();
  for (uint64_t op = 2; op < 22; ++op) {
    v1::ReplicaBatch batch = MakeBatch();
    AddRead(&batch, op, op % kTestSlots, "k");
    Execute(batch, op % 2 == 0 ? sink_ : other);
  }
  store_.Open();
  sink_->Await(11);
  other->Await(10);
  EXPECT_EQ(sink_->deliveries(), 2u);
  EXPECT_EQ(other->deliveries(), 1u);
}

TEST_F(NodeCoreTest, FullQueueRefusesAtOnceWhatIsOver) {
  options_.workers = 1;
  options_.limits.queue_ops = 10;
  Make();
  store_.Close();
  v1::ReplicaBatch batch = MakeBatch();
  for (uint64_t op = 1; op <= 25; ++op) AddRead(&batch, op, 0, "k");
  Execute(batch);
  EXPECT_EQ(sink_->count(v1::REPLICA_CODE_OVERLOADED), 15u);
  EXPECT_EQ(sink_->code(11), v1::REPLICA_CODE_OVERLOADED) << "the first ones are taken";
  v1::ReplicaBatch more = MakeBatch();
  AddRead(&more, 100, 0, "k");
  EXPECT_EQ(CodeOf(more), v1::REPLICA_CODE_OVERLOADED);
  store_.Open();
  sink_->Await(25);
  EXPECT_EQ(sink_->count(v1::REPLICA_CODE_OK), 10u);
  EXPECT_EQ(core_->totals().queued_ops, 0u);
}

TEST_F(NodeCoreTest, QueueIsBoundedInBytes) {
  options_.workers = 1;
  options_.limits.queue_bytes = 100'000;
  Make();
  store_.Close();
  v1::ReplicaBatch batch = MakeBatch();
  for (uint64_t op = 1; op <= 10; ++op) {
    AddApply(&batch, op, 0, "k" + std::to_string(op), op, std::string(30'000, 'x'));
  }
  Execute(batch);
  EXPECT_EQ(sink_->count(v1::REPLICA_CODE_OVERLOADED), 7u);
  store_.Open();
  sink_->Await(10);
  EXPECT_EQ(sink_->count(v1::REPLICA_CODE_OK), 3u);
}

TEST_F(NodeCoreTest, StreamThatTakesNoAnswersIsNotExecutedFor) {
  Make();
  sink_->congested = true;
  v1::ReplicaBatch batch = MakeBatch();
  AddApply(&batch, 1, 0, "k", 1, "v");
  Execute(batch);
  sink_->Await(1);
  EXPECT_EQ(sink_->code(1), v1::REPLICA_CODE_OVERLOADED);
  EXPECT_EQ(core_->totals().replica.applies, 0u);
}

TEST_F(NodeCoreTest, LargeValuesMakeTurnsOfFewReads) {
  options_.workers = 1;
  options_.limits.turn_reply_bytes = 1000;
  options_.limits.turn_reads = 64;
  Make();
  v1::ReplicaBatch write = MakeBatch();
  AddApply(&write, 1, 0, "k", 1, std::string(500, 'x'));
  Execute(write);
  sink_->Await(1);
  v1::ReplicaBatch reads = MakeBatch();
  for (uint64_t op = 2; op < 2 + 74; ++op) AddRead(&reads, op, 0, "k");
  Execute(reads);
  sink_->Await(75);
  // 64 together show how large they are; the other 10 then go two by two.
  EXPECT_EQ(sink_->deliveries(), 1u + 1u + 5u);
}

TEST_F(NodeCoreTest, SmallOperationsWaitForOneTurnOfLargeOnesAtMost) {
  options_.workers = 1;
  Make();
  store_.Close();
  v1::ReplicaBatch first = MakeBatch();
  AddRead(&first, 1, 0, "k");
  Execute(first);
  store_.AwaitWaiting();
  v1::ReplicaBatch large = MakeBatch();
  for (uint64_t op = 10; op < 13; ++op) {
    AddApply(&large, op, 0, "k", op, std::string(kLargeValueBytes + 1, 'x'));
  }
  for (uint64_t op = 13; op < 16; ++op) {
    AddRead(&large, op, 0, "k");
    large.mutable_ops()->rbegin()->mutable_read()->set_large(true);
  }
  Execute(large);
  v1::ReplicaBatch small = MakeBatch();
  for (uint64_t op = 20; op < 30; ++op) AddApply(&small, op, 1, "s", op, "v");
  Execute(small);
  store_.Open();
  sink_->Await(17);
  std::vector<uint64_t> wanted{1, 10, 11, 12};  // as many as fit into a turn
  for (uint64_t op = 20; op < 30; ++op) wanted.push_back(op);
  for (uint64_t op : {13, 14, 15}) wanted.push_back(op);
  EXPECT_EQ(sink_->order(), wanted);
  EXPECT_EQ(sink_->deliveries(), 6u) << "each large read is a turn";
}

TEST_F(NodeCoreTest, DiskErrorStopsTheNodeForGood) {
  Make();
  disk_.SetDiskError(true);
  v1::ReplicaBatch batch = MakeBatch();
  AddApply(&batch, 1, 0, "k", 1, "v");
  EXPECT_EQ(CodeOf(batch), v1::REPLICA_CODE_IO_ERROR);
  EXPECT_EQ(failures_, 1);
  EXPECT_EQ(core_->failure().code(), StatusCode::kIoError);
  disk_.SetDiskError(false);
  disk_.Crash();
  EXPECT_EQ(CodeOf(batch), v1::REPLICA_CODE_IO_ERROR) << "a disk that failed is not asked again";
  v1::ReplicaBatch hello = MakeBatch();
  AddHello(&hello, 1);
  EXPECT_EQ(CodeOf(hello), v1::REPLICA_CODE_IO_ERROR);
  core_->Fail(Status::IoError("again"));
  EXPECT_EQ(failures_, 1);
}

TEST_F(NodeCoreTest, DiskErrorAnswersAllThatWaits) {
  Make();
  store_.Close();
  v1::ReplicaBatch batch = MakeBatch();
  for (uint64_t op = 1; op <= 3 * kTestSlots; ++op) {
    AddApply(&batch, op, static_cast<uint32_t>(op % kTestSlots), "k" + std::to_string(op), op, "v");
  }
  Execute(batch);
  store_.AwaitWaiting();
  Execute([] {
    v1::ReplicaBatch later = MakeBatch();
    for (uint32_t slot = 0; slot < kTestSlots; ++slot) AddRead(&later, 1000 + slot, slot, "k");
    return later;
  }());
  disk_.SetDiskError(true);
  store_.Open();
  sink_->Await(4 * kTestSlots);
  EXPECT_EQ(sink_->count(v1::REPLICA_CODE_IO_ERROR), 4 * kTestSlots);
}

TEST_F(NodeCoreTest, DrainAnswersWhatWasQueuedAndRefusesTheRest) {
  Make();
  store_.Close();
  v1::ReplicaBatch batch = MakeBatch();
  for (uint64_t op = 1; op <= 20; ++op) {
    AddApply(&batch, op, static_cast<uint32_t>(op % kTestSlots), "k", op, "v");
  }
  Execute(batch);
  store_.AwaitWaiting();
  core_->StopTaking();
  v1::ReplicaBatch late = MakeBatch();
  AddRead(&late, 100, 0, "k");
  EXPECT_EQ(CodeOf(late), v1::REPLICA_CODE_NOT_READY);
  std::thread opener([this] { store_.Open(); });
  core_->Drain();
  opener.join();
  EXPECT_EQ(sink_->count(v1::REPLICA_CODE_OK), 20u);
}

TEST_F(NodeCoreTest, BatchIsLetGoAfterItsLastAnswer) {
  Make();
  v1::ReplicaBatch batch = MakeBatch();
  for (uint32_t slot = 0; slot < kTestSlots; ++slot) AddRead(&batch, slot + 1, slot, "k");
  AddHello(&batch, 100);
  auto shared = std::make_shared<const v1::ReplicaBatch>(std::move(batch));
  std::weak_ptr<const v1::ReplicaBatch> watch = shared;
  core_->Execute(std::move(shared), sink_);
  core_->Drain();
  EXPECT_TRUE(watch.expired());
  sink_->Await(kTestSlots + 1);
}

TEST_F(NodeCoreTest, ManyStreamsAtOnceGetEachAnswerOnce) {
  options_.limits.turn_ops = 50;
  options_.limits.queue_ops = 300;
  Make();
  constexpr int kStreams = 8, kBatches = 100, kPerBatch = 12;
  std::vector<std::shared_ptr<CollectingSink>> sinks;
  std::vector<std::thread> threads;
  for (int s = 0; s < kStreams; ++s) sinks.push_back(std::make_shared<CollectingSink>());
  for (int s = 0; s < kStreams; ++s) {
    threads.emplace_back([this, s, &sinks] {
      uint64_t op = 0;
      for (int b = 0; b < kBatches; ++b) {
        v1::ReplicaBatch batch = MakeBatch();
        for (int i = 0; i < kPerBatch; ++i) {
          ++op;
          auto slot = static_cast<uint32_t>(op % kTestSlots);
          if (op % 3 == 0) {
            AddRead(&batch, op, slot, "k" + std::to_string(s));
          } else {
            AddApply(&batch, op, slot, "k" + std::to_string(s), op, "v");
          }
        }
        Execute(std::move(batch), sinks[static_cast<size_t>(s)]);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (auto& sink : sinks) {
    sink->Await(kBatches * kPerBatch);
    EXPECT_EQ(sink->count(v1::REPLICA_CODE_OK) + sink->count(v1::REPLICA_CODE_OVERLOADED),
              static_cast<size_t>(kBatches * kPerBatch));
  }
  EXPECT_EQ(core_->totals().queued_ops, 0u);
  EXPECT_EQ(core_->totals().queued_bytes, 0u);
}

}  // namespace
}  // namespace ringkv
