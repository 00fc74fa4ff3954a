#include "client/client.h"

#include <gtest/gtest.h>

#include <future>
#include <latch>
#include <set>

#include "base/limits.h"
#include "tests/client/fake_router_grpc.h"

namespace ringkv {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

std::unique_ptr<Client> Connect(std::vector<std::string> routers, ClientOptions options = {}) {
  options.routers = std::move(routers);
  Result<std::unique_ptr<Client>> client = Client::Create(std::move(options));
  EXPECT_TRUE(client.ok()) << client.status().ToString();
  return std::move(client).value();
}

// An address at which nothing listens.
std::string DeadAddress() {
  FakeRouter router;
  router.Stop();
  return router.address();
}

TEST(Client, PutGetDeleteIncrement) {
  FakeRouter router;
  auto client = Connect({router.address()});
  const WriteResult put = client->Put("k", "v");
  ASSERT_TRUE(put.status.ok()) << put.status.ToString();
  const GetResult got = client->Get("k");
  EXPECT_EQ(got.value, "v");
  EXPECT_EQ(got.version, put.version);
  EXPECT_TRUE(client->Delete("k").status.ok());
  EXPECT_EQ(client->Delete("k").status.code(), StatusCode::kNotFound);
  EXPECT_EQ(client->Get("k").status.code(), StatusCode::kNotFound);
  EXPECT_EQ(client->Increment("n", 5).value, 5);
  EXPECT_EQ(client->Increment("n", -7).value, -2);
}

TEST(Client, ConditionsAnswerWithTheCurrentVersion) {
  FakeRouter router;
  auto client = Connect({router.address()});
  const WriteResult first = client->Put("k", "1", {.if_absent = true});
  ASSERT_TRUE(first.status.ok());
  const WriteResult refused = client->Put("k", "2", {.if_absent = true});
  EXPECT_EQ(refused.status.code(), StatusCode::kConditionFailed);
  EXPECT_EQ(refused.version, first.version);
  EXPECT_TRUE(client->Put("k", "3", {.if_version = first.version}).status.ok());
  EXPECT_EQ(client->Put("k", "4", {.if_version = first.version}).status.code(),
            StatusCode::kConditionFailed);
}

TEST(Client, LimitsAreCheckedBeforeAnythingIsSent) {
  FakeRouter router;
  auto client = Connect({router.address()});
  const auto code = [](const auto& result) { return result.status.code(); };
  EXPECT_EQ(code(client->Get("")), StatusCode::kInvalidArgument);
  EXPECT_EQ(code(client->Put(std::string(kMaxKeyBytes + 1, 'k'), "")),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(code(client->Put("k", std::string(kMaxValueBytes + 1, 'v'))),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(code(client->Put("k", "v", {.ttl_ms = 999})), StatusCode::kInvalidArgument);
  EXPECT_EQ(code(client->Put("k", "v", {.ttl_ms = kMaxTtlMs + 1})), StatusCode::kInvalidArgument);
  EXPECT_EQ(code(client->Put("k", "v", {.if_absent = true, .if_version = Version()})),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(router.seen().calls, 0u);
}

TEST(Client, LargestKeyAndValuePass) {
  FakeRouter router;
  auto client = Connect({router.address()});
  const std::string key(kMaxKeyBytes, '\0'), value(kMaxValueBytes, '\xff');
  ASSERT_TRUE(client->Put(key, value).status.ok());
  EXPECT_EQ(client->Get(key).value, value);
}

TEST(Client, CallsInFlightShareBatches) {
  FakeRouter router;
  constexpr int kCalls = 20'000;
  auto client = Connect({router.address()}, {.max_in_flight = kCalls});
  std::latch done(kCalls);
  std::atomic<int> failed = 0;
  for (int i = 0; i < kCalls; ++i) {
    client->PutAsync("k" + std::to_string(i), "v", {}, {}, [&](const WriteResult& result) {
      if (!result.status.ok()) ++failed;
      done.count_down();
    });
  }
  done.wait();
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(router.data().size(), size_t{kCalls});
  const FakeRouter::Seen seen = router.seen();
  EXPECT_EQ(seen.streams, 1u);
  EXPECT_LT(seen.batches, uint64_t{kCalls} / 10);
  EXPECT_LE(seen.largest_batch, 4096u);
  EXPECT_LE(seen.most_bytes, kBatchBytes);
}

TEST(Client, LargeValuesTravelOnTheirOwnStream) {
  FakeRouter router;
  auto client = Connect({router.address()});
  ASSERT_TRUE(client->Put("small", "v").status.ok());
  EXPECT_EQ(router.seen().streams, 1u);
  ASSERT_TRUE(client->Put("large", std::string(kLargeValueBytes + 1, 'v')).status.ok());
  EXPECT_EQ(router.seen().streams, 2u);
}

TEST(Client, WhatWasNotAppliedIsTriedAgain) {
  FakeRouter router;
  auto client = Connect({router.address()});
  router.Inject(Fault::kUnavailable, 2);
  router.Inject(Fault::kOverloaded, 2);
  EXPECT_TRUE(client->Put("k", "v").status.ok());
  EXPECT_EQ(router.seen().calls, 5u);
  EXPECT_EQ(router.seen().retries, 0u);
  EXPECT_EQ(router.data().at("k").writes, 1u);
}

TEST(Client, AnUnknownWriteIsNotTriedAgain) {
  FakeRouter router;
  auto client = Connect({router.address()});
  router.Inject(Fault::kUnknown);
  EXPECT_EQ(client->Increment("k", 1).status.code(), StatusCode::kUnknownOutcome);
  EXPECT_EQ(router.seen().calls, 1u);
}

TEST(Client, AWriteLostWithItsStreamIsUnknownAndNotTriedAgain) {
  for (Fault fault : {Fault::kDrop, Fault::kDropApplied}) {
    FakeRouter router;
    auto client = Connect({router.address()});
    router.Inject(fault);
    EXPECT_EQ(client->Put("k", "v").status.code(), StatusCode::kUnknownOutcome);
    EXPECT_EQ(router.seen().calls, 1u);
    EXPECT_TRUE(client->Put("k", "w").status.ok());  // the client itself goes on
  }
}

TEST(Client, AReadLostWithItsStreamIsTriedAgain) {
  FakeRouter router;
  router.Set("k", "v");
  auto client = Connect({router.address()});
  router.Inject(Fault::kDrop, 2);
  EXPECT_EQ(client->Get("k").value, "v");
  EXPECT_EQ(router.seen().calls, 3u);
}

TEST(Client, RetryUnknownSendsTheSameRequestMarkedAsRetry) {
  for (Fault fault : {Fault::kDropApplied, Fault::kUnknownApplied}) {
    FakeRouter router;
    auto client = Connect({router.address()});
    router.Inject(fault);
    EXPECT_TRUE(client->Put("k", "v", {.retry_unknown = true}).status.ok());
    EXPECT_EQ(router.seen().retries, 1u);
    EXPECT_EQ(router.data().at("k").writes, 1u) << "the router knew it by its request id";
  }
}

TEST(Client, RetryUnknownStaysUnknownWhenTimeRunsOut) {
  FakeRouter router;
  auto client = Connect({router.address()});
  router.Inject(Fault::kUnknown);
  router.InjectAlways(Fault::kUnavailable);
  const WriteResult result =
      client->Put("k", "v", {.retry_unknown = true}, {.timeout = milliseconds(100)});
  EXPECT_EQ(result.status.code(), StatusCode::kUnknownOutcome);
}

TEST(Client, UnavailableForItsWholeTimeSaysSo) {
  FakeRouter router;
  auto client = Connect({router.address()});
  router.InjectAlways(Fault::kUnavailable);
  const WriteResult result = client->Put("k", "v", {}, {.timeout = milliseconds(100)});
  EXPECT_EQ(result.status.code(), StatusCode::kUnavailable);
  EXPECT_NE(result.status.message().find("too few replicas"), std::string::npos);
}

TEST(Client, SilenceEndsAtTheDeadline) {
  FakeRouter router;
  auto client = Connect({router.address()});
  router.InjectAlways(Fault::kSilence);
  EXPECT_EQ(client->Get("k", {.timeout = milliseconds(50)}).status.code(), StatusCode::kDeadline);
  EXPECT_EQ(client->Put("k", "v", {}, {.timeout = milliseconds(50)}).status.code(),
            StatusCode::kUnknownOutcome);
}

TEST(Client, NoRouterIsUnavailableAndNamed) {
  const std::string dead = DeadAddress();
  auto client = Connect({dead});
  const WriteResult result = client->Put("k", "v", {}, {.timeout = milliseconds(100)});
  EXPECT_EQ(result.status.code(), StatusCode::kUnavailable);
  EXPECT_NE(result.status.message().find(dead), std::string::npos);
}

TEST(Client, ARouterThatComesLaterIsFound) {
  FakeRouter router;
  router.Stop();
  auto client = Connect({router.address()}, {.timeout = seconds(10)});
  std::promise<WriteResult> result;
  client->PutAsync("k", "v", {}, {}, [&](WriteResult r) { result.set_value(std::move(r)); });
  router.Start();
  EXPECT_TRUE(result.get_future().get().status.ok());
}

TEST(Client, GoesToTheNextRouterAndStaysThere) {
  FakeRouter second;
  auto client = Connect({DeadAddress(), second.address()});
  ASSERT_TRUE(client->Put("k", "v").status.ok());
  ASSERT_TRUE(client->Put("k", "w").status.ok());
  EXPECT_EQ(second.seen().calls, 2u);
}

TEST(Client, AConnectionLostLeadsToTheNextRouter) {
  FakeRouter first, second;
  auto client = Connect({first.address(), second.address()});
  ASSERT_TRUE(client->Put("k", "v").status.ok());
  EXPECT_EQ(first.seen().calls, 1u);
  first.Stop();
  second.Set("k", "from the second");
  EXPECT_EQ(client->Get("k").value, "from the second");
  EXPECT_TRUE(client->Put("k", "w").status.ok());
}

TEST(Client, ARouterThatStaysUnavailableIsGoneAround) {
  FakeRouter first, second;
  first.InjectAlways(Fault::kUnavailable);
  auto client = Connect({first.address(), second.address()});
  EXPECT_TRUE(client->Put("k", "v").status.ok());
  EXPECT_EQ(second.data().count("k"), 1u);
}

TEST(Client, ASilentRouterIsLeftForTheNext) {
  FakeRouter first, second;
  first.InjectAlways(Fault::kSilence);
  second.Set("k", "v");
  auto client = Connect({first.address(), second.address()});
  EXPECT_EQ(client->Get("k", {.timeout = milliseconds(1'100)}).status.code(),
            StatusCode::kDeadline);
  EXPECT_EQ(client->Get("k").value, "v");
}

TEST(Client, ScanCoversAllPagesOnce) {
  FakeRouter router;
  router.set_page_entries(7);
  std::set<std::string> expected;
  for (int i = 0; i < 100; ++i) {
    router.Set("a" + std::to_string(i), "v" + std::to_string(i));
    expected.insert("a" + std::to_string(i));
  }
  router.Set("b", "other");
  auto client = Connect({router.address()});
  router.Inject(Fault::kNone);
  router.Inject(Fault::kDrop);
  router.Inject(Fault::kUnavailable);

  std::multiset<std::string> seen;
  const Status status = client->Scan({.prefix = "a"}, [&](const ScanEntry& entry) {
    EXPECT_EQ(entry.value, "v" + entry.key.substr(1));
    seen.insert(entry.key);
    return true;
  });
  EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ(seen, std::multiset<std::string>(expected.begin(), expected.end()));

  int count = 0;
  EXPECT_TRUE(client
                  ->Scan({.limit = 10, .keys_only = true},
                         [&](const ScanEntry& entry) {
                           EXPECT_EQ(entry.value, "");
                           return ++count, true;
                         })
                  .ok());
  EXPECT_EQ(count, 10);
}

TEST(Client, FullRefusesAsyncCallsAndMakesBlockingOnesWait) {
  FakeRouter router;
  router.InjectAlways(Fault::kSilence);
  auto client = Connect({router.address()}, {.max_in_flight = 1});
  std::promise<void> first_done;
  client->GetAsync("k", {.timeout = milliseconds(300)}, [&](GetResult) { first_done.set_value(); });
  StatusCode second = StatusCode::kOk;
  client->GetAsync("k", {}, [&](const GetResult& result) { second = result.status.code(); });
  EXPECT_EQ(second, StatusCode::kOverloaded);
  ASSERT_TRUE(router.WaitForCalls(1));
  router.InjectAlways(Fault::kNone);
  EXPECT_EQ(client->Get("k").status.code(), StatusCode::kNotFound);  // once the first is over
  first_done.get_future().wait();
}

TEST(Client, DestructionEndsWhatIsInFlight) {
  FakeRouter router;
  router.InjectAlways(Fault::kSilence);
  auto client = Connect({router.address()});
  std::promise<StatusCode> write, read;
  client->PutAsync("k", "v", {}, {},
                   [&](const WriteResult& result) { write.set_value(result.status.code()); });
  client->GetAsync("k", {}, [&](const GetResult& result) { read.set_value(result.status.code()); });
  ASSERT_TRUE(router.WaitForCalls(2));
  client.reset();
  EXPECT_EQ(write.get_future().get(), StatusCode::kUnknownOutcome);
  EXPECT_EQ(read.get_future().get(), StatusCode::kUnavailable);
}

TEST(Client, SurvivesARouterThatStopsUnderLoad) {
  FakeRouter router;
  auto client =
      Connect({router.address()},
              {.timeout = seconds(20), .max_in_flight = 256, .when_full = WhenFull::kWait});
  constexpr int kCalls = 4'000;
  std::latch done(kCalls);
  std::atomic<int> failed = 0;
  for (int i = 0; i < kCalls; ++i) {
    if (i == kCalls / 2) {
      router.Stop();
      router.Start();
    }
    client->PutAsync("k" + std::to_string(i), "v", {.retry_unknown = true}, {},
                     [&](const WriteResult& result) {
                       if (!result.status.ok()) ++failed;
                       done.count_down();
                     });
  }
  done.wait();
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(router.data().size(), size_t{kCalls});
}

TEST(Client, BadOptionsAreRefused) {
  EXPECT_FALSE(Client::Create({.routers = {}}).ok());
  EXPECT_FALSE(Client::Create({.routers = {"no port"}}).ok());
  EXPECT_FALSE(Client::Create({.max_in_flight = 0}).ok());
}

}  // namespace
}  // namespace ringkv
