// The Kv service over a loopback connection, on real loops and shards, above nodes in memory.
#include "router/kv_service_grpc.h"

#include <gtest/gtest.h>

#include <future>
#include <set>

#include "net/grpc_door.h"
#include "tests/net/raw_stream.h"
#include "tests/router/await.h"
#include "tests/router/memory_links.h"

namespace ringkv {
namespace {

using std::chrono::milliseconds;

constexpr uint32_t kSlots = 64;
constexpr uint32_t kGroups = 8;
constexpr size_t kMiB = 1u << 20;
constexpr size_t kMaxUntakenBytes = 4 * kMiB;

class KvServiceTest : public testing::Test {
 protected:
  void SetUp() override {
    loops_ = std::make_unique<ShardLoops>(
        2, ShardOptions(), clock_, [this](size_t, EventLoop& loop, LinkEvents& events) {
          auto links = std::make_unique<MemoryLinks>(loop, events);
          links_.push_back(links.get());
          return links;
        });
    loops_->Start();
    KvContext context{*loops_, gate_, clock_, request_metrics_};
    context.max_unanswered = 64;
    context.default_timeout = milliseconds(1500);
    context.max_untaken_bytes = context.max_untaken_bytes_of_all = kMaxUntakenBytes;
    service_ = std::make_unique<KvService>(context);
    ASSERT_TRUE(server_.Start("127.0.0.1:0", {service_.get()}).ok());
    stub_ = v1::Kv::NewStub(MakeChannel(server_.address()));
  }

  void TearDown() override {
    for (MemoryLinks* links : links_) links->Release();
    gate_.Stop("stopping");
    EXPECT_TRUE(gate_.WaitForNoneInFlight(kTestPatience));
    service_->EndStreams();
    server_.Stop(std::chrono::seconds(5));
    loops_->Stop();
  }

  // Makes the router own everything, on one node.
  void Open() {
    PeerAddress peer;
    peer.node = *NodeId::Parse("n1");
    peer.address = "127.0.0.1:7500";
    loops_->SetPeer(peer);
    std::vector<GroupGrant> grants;
    for (uint32_t g = 0; g < kGroups; ++g) {
      GroupGrant grant;
      grant.group = GroupId(g);
      grant.term = Term(g + 1);
      grant.owner = OwnerId(g + 100);
      grant.first_term = grant.predecessor_gone = true;
      for (uint32_t s = 0; s < kSlots; ++s) {
        if (GroupOf(SlotId(s), kSlots, kGroups) != grant.group) continue;
        grant.slots.push_back({SlotId(s), {{Peer(0), Incarnation(1)}}});
      }
      grants.push_back(std::move(grant));
    }
    loops_->TakeGroups(std::move(grants));
    while (FullSlots() < kSlots) {
    }
    gate_.Open({kSlots, kGroups});
  }

  // That are ready on their node; asking takes a turn of every loop.
  uint64_t FullSlots() {
    std::promise<uint64_t> full;
    loops_->Gather([&](std::vector<LoopReport> reports) {
      uint64_t sum = 0;
      for (const LoopReport& report : reports) sum += report.shard.fully_replicated;
      full.set_value(sum);
    });
    return full.get_future().get();
  }

  v1::OpStatus Put(const std::string& key, const std::string& value) {
    v1::PutRequest request;
    request.set_key(key);
    request.set_value(value);
    v1::PutResponse response;
    grpc::ClientContext context;
    EXPECT_TRUE(stub_->Put(&context, request, &response).ok());
    return response.status();
  }
  v1::GetResponse Get(const std::string& key) {
    v1::GetRequest request;
    request.set_key(key);
    v1::GetResponse response;
    grpc::ClientContext context;
    EXPECT_TRUE(stub_->Get(&context, request, &response).ok());
    return response;
  }

  // Enough keys that every slot has some.
  std::set<std::string> Fill(int keys) {
    std::set<std::string> all;
    grpc::ClientContext context;
    auto stream = stub_->Batch(&context);
    v1::BatchRequest batch;
    for (int i = 0; i < keys; ++i) {
      v1::Op* op = batch.add_ops();
      op->set_id(static_cast<uint64_t>(i));
      op->mutable_put()->set_key("key" + std::to_string(i));
      op->mutable_put()->set_value(std::string(100, 'v'));
      all.insert(op->put().key());
    }
    EXPECT_TRUE(stream->Write(batch));
    stream->WritesDone();
    int done = 0;
    v1::BatchResponse response;
    while (stream->Read(&response)) {
      for (const auto& result : response.results()) {
        EXPECT_EQ(result.put().status().outcome(), v1::OUTCOME_DONE)
            << result.put().status().message();
        ++done;
      }
    }
    EXPECT_EQ(done, keys);
    EXPECT_TRUE(stream->Finish().ok());
    return all;
  }

  RealClock clock_;
  ServingGate gate_;
  MemoryMetrics metrics_;
  RequestMetrics request_metrics_{metrics_};
  std::vector<MemoryLinks*> links_;
  std::unique_ptr<ShardLoops> loops_;
  std::unique_ptr<KvService> service_;
  GrpcServer server_;
  std::unique_ptr<v1::Kv::Stub> stub_;
};

TEST_F(KvServiceTest, IsUnavailableWithTheReasonUntilTheGateOpens) {
  gate_.Close("forming the cluster");
  v1::OpStatus status = Put("k", "v");
  EXPECT_EQ(status.outcome(), v1::OUTCOME_NOT_APPLIED);
  EXPECT_EQ(status.code(), v1::ERROR_CODE_UNAVAILABLE);
  EXPECT_EQ(status.message(), "forming the cluster");
  grpc::ClientContext context;
  auto scan = stub_->Scan(&context, {});
  v1::ScanResponse response;
  ASSERT_TRUE(scan->Read(&response));
  EXPECT_EQ(response.status().code(), v1::ERROR_CODE_UNAVAILABLE);
  EXPECT_TRUE(scan->Finish().ok());
}

TEST_F(KvServiceTest, StoresReadsIncrementsAndDeletes) {
  Open();
  EXPECT_EQ(Put("k", "v1").outcome(), v1::OUTCOME_DONE);
  EXPECT_EQ(Get("k").value(), "v1");
  EXPECT_EQ(Get("other").status().code(), v1::ERROR_CODE_NOT_FOUND);

  v1::IncrementRequest increment;
  increment.set_key("n");
  increment.set_delta(-5);
  v1::IncrementResponse incremented;
  grpc::ClientContext first;
  ASSERT_TRUE(stub_->Increment(&first, increment, &incremented).ok());
  EXPECT_EQ(incremented.value(), -5);

  v1::DeleteRequest del;
  del.set_key("k");
  v1::DeleteResponse deleted;
  grpc::ClientContext second;
  ASSERT_TRUE(stub_->Delete(&second, del, &deleted).ok());
  EXPECT_EQ(deleted.status().outcome(), v1::OUTCOME_DONE);
  EXPECT_EQ(Get("k").status().code(), v1::ERROR_CODE_NOT_FOUND);
  EXPECT_EQ(metrics_.Value("operations_total", {{"op", "delete"}, {"code", "ok"}}), 1);
}

TEST_F(KvServiceTest, ReadsOfAllLoopsAreCountedAtTheirNode) {
  Open();
  constexpr int kReads = 32;
  for (int i = 0; i < kReads; ++i) Get("key" + std::to_string(i));
  auto node = [&] { return loops_->nodes().GetServerStatus("n1").value(); };
  // On a slow day a read is late, is asked again, and has its answer before the other one is in.
  const uint64_t total = node().total;
  EXPECT_GE(total, static_cast<uint64_t>(kReads));
  while (node().in_flight > 0) {
  }
  PeerAddress moved;
  moved.node = *NodeId::Parse("n1");
  moved.address = "127.0.0.1:7599";
  loops_->SetPeer(moved);
  // Until the loops know it as connected, the only replica is not reachable.
  const auto give_up = std::chrono::steady_clock::now() + kTestPatience;
  v1::ErrorCode code = v1::ERROR_CODE_UNAVAILABLE;
  while (code == v1::ERROR_CODE_UNAVAILABLE) {
    ASSERT_LT(std::chrono::steady_clock::now(), give_up);
    code = Get("key").status().code();
  }
  EXPECT_EQ(code, v1::ERROR_CODE_NOT_FOUND);
  EXPECT_EQ(node().address, "127.0.0.1:7599");
  EXPECT_GE(node().total, 1u);
  EXPECT_LT(node().total, total) << "they are those of the process at the new address";
}

TEST_F(KvServiceTest, RefusesABadCallWithoutTouchingAnything) {
  Open();
  EXPECT_EQ(Put("", "v").code(), v1::ERROR_CODE_INVALID_ARGUMENT);
  EXPECT_EQ(gate_.in_flight(), 0u);
}

TEST_F(KvServiceTest, BatchAnswersEveryOperationInItsKind) {
  Open();
  grpc::ClientContext context;
  auto stream = stub_->Batch(&context);
  v1::BatchRequest batch;
  v1::Op* op = batch.add_ops();
  op->set_id(1);
  op->mutable_put()->set_key("a");
  op->mutable_put()->set_value("x");
  op = batch.add_ops();
  op->set_id(2);
  op->mutable_get()->set_key("");
  op = batch.add_ops();
  op->set_id(3);
  op->mutable_scan()->set_cursor("nonsense");
  op = batch.add_ops();
  op->set_id(4);  // empty
  op = batch.add_ops();
  op->set_id(5);
  op->mutable_increment()->set_key("i");
  ASSERT_TRUE(stream->Write(batch));
  stream->WritesDone();
  std::map<uint64_t, v1::OpResult> results;
  v1::BatchResponse response;
  while (stream->Read(&response)) {
    for (const auto& result : response.results()) results[result.id()] = result;
  }
  EXPECT_TRUE(stream->Finish().ok());
  ASSERT_EQ(results.size(), 5u);
  EXPECT_EQ(results[1].put().status().outcome(), v1::OUTCOME_DONE);
  EXPECT_EQ(results[2].get().status().code(), v1::ERROR_CODE_INVALID_ARGUMENT);
  EXPECT_EQ(results[3].scan().status().code(), v1::ERROR_CODE_INVALID_ARGUMENT);
  EXPECT_EQ(results[4].get().status().code(), v1::ERROR_CODE_INVALID_ARGUMENT);
  EXPECT_EQ(results[5].increment().status().outcome(), v1::OUTCOME_DONE);
}

TEST_F(KvServiceTest, TooLargeABatchIsRefusedWhole) {
  Open();
  grpc::ClientContext context;
  auto stream = stub_->Batch(&context);
  v1::BatchRequest batch;
  for (int i = 0; i <= kMaxBatchRequestOps; ++i) batch.add_ops()->mutable_get()->set_key("k");
  ASSERT_TRUE(stream->Write(batch));
  stream->WritesDone();
  int refused = 0;
  v1::BatchResponse response;
  while (stream->Read(&response)) {
    for (const auto& result : response.results()) {
      EXPECT_EQ(result.get().status().code(), v1::ERROR_CODE_INVALID_ARGUMENT);
      ++refused;
    }
  }
  EXPECT_EQ(refused, kMaxBatchRequestOps + 1);
}

TEST_F(KvServiceTest, BytesThatAreNoBatchEndTheStream) {
  Open();
  const grpc::Status ended =
      RawStream::EndOf(MakeChannel(server_.address()), "/ringkv.v1.Kv/Batch", "\xff\xff\xff");
  EXPECT_EQ(ended.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << ended.error_message();
  EXPECT_EQ(Put("k", "v").outcome(), v1::OUTCOME_DONE);
}

TEST_F(KvServiceTest, ManyBatchesOnManyStreamsAreAllAnswered) {
  Open();
  constexpr int kStreams = 8;
  constexpr int kBatches = 200;
  constexpr int kOps = 20;
  std::vector<std::future<int>> clients;
  for (int c = 0; c < kStreams; ++c) {
    clients.push_back(std::async(std::launch::async, [&, c] {
      grpc::ClientContext context;
      auto stream = stub_->Batch(&context);
      auto writer = std::async(std::launch::async, [&] {
        for (int b = 0; b < kBatches; ++b) {
          v1::BatchRequest batch;
          for (int i = 0; i < kOps; ++i) {
            v1::Op* op = batch.add_ops();
            op->set_id(static_cast<uint64_t>(b) * kOps + static_cast<uint64_t>(i));
            const std::string key = "c" + std::to_string(c) + "-" + std::to_string(i);
            if (b % 2 == 0) {
              op->mutable_put()->set_key(key);
            } else {
              op->mutable_get()->set_key(key);
            }
          }
          if (!stream->Write(batch)) return;
        }
        stream->WritesDone();
      });
      std::set<uint64_t> ids;
      v1::BatchResponse response;
      while (stream->Read(&response)) {
        for (const auto& result : response.results()) {
          EXPECT_EQ(StatusOf(result).code(), v1::ERROR_CODE_OK) << StatusOf(result).message();
          EXPECT_TRUE(ids.insert(result.id()).second);
        }
      }
      writer.wait();
      EXPECT_TRUE(stream->Finish().ok());
      return static_cast<int>(ids.size());
    }));
  }
  for (auto& client : clients) EXPECT_EQ(client.get(), kBatches * kOps);
}

TEST_F(KvServiceTest, DoesNotReadFurtherWhileTooMuchIsUnanswered) {
  Open();
  for (MemoryLinks* links : links_) links->Hold();
  grpc::ClientContext context;
  auto stream = stub_->Batch(&context);
  constexpr uint64_t kBatchOps = 32;
  std::atomic<int> written{0};
  auto writer = std::async(std::launch::async, [&] {
    for (uint64_t b = 0; b < 8; ++b) {
      v1::BatchRequest batch;
      for (uint64_t i = 0; i < kBatchOps; ++i) {
        v1::Op* op = batch.add_ops();
        op->set_id(b * kBatchOps + i);
        op->mutable_put()->set_key("k" + std::to_string(op->id()));
        op->mutable_put()->set_timeout_ms(60'000);
      }
      if (!stream->Write(batch)) return;
      ++written;
    }
    stream->WritesDone();
  });
  // Whatever was read is held back by the node; the bound is 64, and one batch may go over it.
  Await never;
  never.For([&] { return gate_.in_flight() > 64 + kBatchOps; }, milliseconds(300));
  EXPECT_GE(gate_.in_flight(), 64u);
  EXPECT_LE(gate_.in_flight(), 64u + kBatchOps);
  for (MemoryLinks* links : links_) links->Release();
  size_t answered = 0;
  v1::BatchResponse response;
  while (stream->Read(&response)) answered += static_cast<size_t>(response.results_size());
  writer.wait();
  EXPECT_EQ(answered, 8 * kBatchOps);
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(KvServiceTest, AnswersThatAreNotTakenAreBoundedInBytes) {
  Open();
  ASSERT_EQ(Put("large", std::string(kMiB, 'v')).outcome(), v1::OUTCOME_DONE);
  grpc::ClientContext context;
  auto stream = stub_->Batch(&context);
  constexpr int kGets = 32;
  v1::BatchRequest batch;
  for (int i = 0; i < kGets; ++i) batch.add_ops()->mutable_get()->set_key("large");
  // What waits for this stream leaves no room for what others find.
  int asked = 0;
  v1::ErrorCode of_other = v1::ERROR_CODE_OK;
  const auto give_up = std::chrono::steady_clock::now() + kTestPatience;
  while (of_other == v1::ERROR_CODE_OK) {
    ASSERT_LT(std::chrono::steady_clock::now(), give_up);
    ASSERT_TRUE(stream->Write(batch));
    asked += kGets;
    while (gate_.in_flight() > 0) {
    }
    of_other = Get("large").status().code();
  }
  EXPECT_EQ(of_other, v1::ERROR_CODE_OVERLOADED);
  EXPECT_EQ(Put("small", "v").outcome(), v1::OUTCOME_DONE);
  EXPECT_EQ(Get("small").value(), "v");
  stream->WritesDone();
  std::map<v1::ErrorCode, int> codes;
  v1::BatchResponse response;
  while (stream->Read(&response)) {
    for (const auto& result : response.results()) {
      ++codes[result.get().status().code()];
      const bool found = result.get().status().code() == v1::ERROR_CODE_OK;
      EXPECT_EQ(result.get().value().size(), found ? kMiB : 0);
    }
  }
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_GT(codes[v1::ERROR_CODE_OK], 0);
  EXPECT_GT(codes[v1::ERROR_CODE_OVERLOADED], 0);
  EXPECT_EQ(codes[v1::ERROR_CODE_OK] + codes[v1::ERROR_CODE_OVERLOADED], asked);
  EXPECT_EQ(Get("large").value().size(), kMiB) << "the room is given back";
}

TEST_F(KvServiceTest, AnswersDoNotWaitForThoseThatDoNotCome) {
  Open();
  for (MemoryLinks* links : links_) links->Hold();
  grpc::ClientContext context;
  auto stream = stub_->Batch(&context);
  v1::BatchRequest batch;
  for (int i = 0; i < 100; ++i) {  // some for each loop
    v1::Op* op = batch.add_ops();
    op->set_id(static_cast<uint64_t>(i));
    op->mutable_put()->set_key("k" + std::to_string(i));
    op->mutable_put()->set_timeout_ms(60'000);
  }
  ASSERT_TRUE(stream->Write(batch));
  // Long enough that answers are held back for others.
  Await never;
  never.For([] { return false; }, milliseconds(50));
  links_[0]->Release();
  auto first = std::async(std::launch::async, [&] {
    v1::BatchResponse response;
    return stream->Read(&response) ? response.results_size() : 0;
  });
  ASSERT_EQ(first.wait_for(kTestPatience), std::future_status::ready);
  int answered = first.get();
  EXPECT_GT(answered, 0);
  EXPECT_LT(answered, 100);  // the other loop's are held by the node
  links_[1]->Release();
  stream->WritesDone();
  v1::BatchResponse response;
  while (stream->Read(&response)) answered += response.results_size();
  EXPECT_EQ(answered, 100);
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(KvServiceTest, ClientThatGoesAwayLeavesNothingBehind) {
  Open();
  for (MemoryLinks* links : links_) links->Hold();
  for (int round = 0; round < 20; ++round) {
    grpc::ClientContext context;
    auto stream = stub_->Batch(&context);
    v1::BatchRequest batch;
    for (int i = 0; i < 10; ++i) {
      batch.add_ops()->mutable_get()->set_key("k" + std::to_string(i));
    }
    ASSERT_TRUE(stream->Write(batch));
    context.TryCancel();
    EXPECT_FALSE(stream->Finish().ok());
  }
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + milliseconds(50));
  v1::GetRequest get;
  get.set_key("k");
  v1::GetResponse response;
  EXPECT_EQ(stub_->Get(&context, get, &response).error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  for (MemoryLinks* links : links_) links->Release();
  gate_.Close("to count what is left");
  EXPECT_TRUE(gate_.WaitForNoneInFlight(kTestPatience));
}

TEST_F(KvServiceTest, ScanGivesEveryKeyOnce) {
  Open();
  const std::set<std::string> all = Fill(2000);
  grpc::ClientContext context;
  v1::ScanRequest request;
  request.set_page_bytes(5000);
  auto scan = stub_->Scan(&context, request);
  std::set<std::string> seen;
  v1::ScanResponse response;
  v1::ScanResponse last;
  while (scan->Read(&response)) {
    for (const auto& entry : response.entries()) EXPECT_TRUE(seen.insert(entry.key()).second);
    last = response;
  }
  EXPECT_TRUE(scan->Finish().ok());
  EXPECT_EQ(last.status().outcome(), v1::OUTCOME_DONE);
  EXPECT_TRUE(last.cursor().empty());
  EXPECT_EQ(seen, all);
}

TEST_F(KvServiceTest, ScanPagesThroughABatchStreamCoverEverything) {
  Open();
  const std::set<std::string> all = Fill(500);
  grpc::ClientContext context;
  auto stream = stub_->Batch(&context);
  std::set<std::string> seen;
  std::string cursor;
  int pages = 0;
  do {
    v1::BatchRequest batch;
    v1::Op* op = batch.add_ops();
    op->mutable_scan()->set_limit(37);
    op->mutable_scan()->set_keys_only(true);
    op->mutable_scan()->set_cursor(cursor);
    ASSERT_TRUE(stream->Write(batch));
    v1::BatchResponse response;
    ASSERT_TRUE(stream->Read(&response));
    const v1::ScanResponse& page = response.results(0).scan();
    ASSERT_EQ(page.status().outcome(), v1::OUTCOME_DONE) << page.status().message();
    for (const auto& entry : page.entries()) {
      EXPECT_TRUE(seen.insert(entry.key()).second);
      EXPECT_TRUE(entry.value().empty());
    }
    cursor = page.cursor();
    ++pages;
  } while (!cursor.empty());
  EXPECT_EQ(seen, all);
  EXPECT_GE(pages, 14);
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(KvServiceTest, ScanEndsWithACursorWhereNothingCanBeRead) {
  Open();
  Fill(100);
  for (MemoryLinks* links : links_) links->Hold();
  grpc::ClientContext context;
  auto scan = stub_->Scan(&context, {});
  v1::ScanResponse response;
  ASSERT_TRUE(scan->Read(&response));
  EXPECT_NE(response.status().outcome(), v1::OUTCOME_DONE);
  EXPECT_FALSE(response.cursor().empty());
  EXPECT_FALSE(scan->Read(&response));
  EXPECT_TRUE(scan->Finish().ok());
}

TEST_F(KvServiceTest, StopEndsIdleStreamsAndRefusesNewCalls) {
  Open();
  grpc::ClientContext context;
  auto stream = stub_->Batch(&context);
  v1::BatchRequest batch;
  batch.add_ops()->mutable_put()->set_key("k");
  ASSERT_TRUE(stream->Write(batch));
  v1::BatchResponse response;
  ASSERT_TRUE(stream->Read(&response));
  gate_.Stop("this router is stopping");
  ASSERT_TRUE(stream->Write(batch));
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.results(0).put().status().message(), "this router is stopping");
  service_->EndStreams();
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace ringkv
