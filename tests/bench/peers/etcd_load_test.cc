#include <gtest/gtest.h>

#include <array>
#include <chrono>

#include "bench/peers/etcd_load_grpc.h"
#include "tests/bench/peers/fake_etcd_grpc.h"
#include "tests/bench/peers/load_run.h"

namespace ringkv::bench {
namespace {

constexpr KeySpace kSpace{300, 40};

TEST(EtcdLoad, WritesEachKeyOnceByConnectionsToAllMembers) {
  std::array<FakeEtcd, 3> etcd;
  EtcdLoad load({etcd[0].address(), etcd[1].address(), etcd[2].address()}, {6, 4}, {"put", 0},
                kSpace);
  const Status written = load.WriteAll();
  ASSERT_TRUE(written.ok()) << written.message();
  std::map<std::string, int> puts;
  for (FakeEtcd& member : etcd) {
    EXPECT_EQ(member.peers(), 2u);
    for (const auto& [key, times] : member.Puts()) {
      puts[key] += times;
      EXPECT_EQ(member.ValueOf(key).size(), kSpace.value_bytes);
    }
  }
  EXPECT_EQ(puts.size(), kSpace.keys);
  for (const auto& [key, times] : puts) EXPECT_EQ(times, 1) << key;
}

TEST(EtcdLoad, MixesAreAnsweredAndTimed) {
  FakeEtcd etcd;
  ASSERT_TRUE(EtcdLoad({etcd.address()}, {2, 4}, {"put", 0}, kSpace).WriteAll().ok());
  EtcdLoad load({etcd.address()}, {2, 2}, {"50/50", 0.5}, kSpace);
  const LoadFigures figures = RunUntilAnswered(load);
  EXPECT_EQ(figures.failed, 0u) << figures.first_error;
  EXPECT_GE(figures.operations, 200u);
  EXPECT_EQ(figures.latency.count(), figures.operations);
  EXPECT_GT(figures.latency.At(0.5).count(), 0);
}

TEST(EtcdLoad, SoManyOperationsAreInFlightAsTheShapeSays) {
  FakeEtcd etcd;
  etcd.HoldAnswers(true);
  EtcdLoad load({etcd.address()}, {2, 3}, {"put", 0}, kSpace);
  ASSERT_TRUE(load.Start().ok());
  EXPECT_TRUE(Eventually([&] { return etcd.most_in_flight() == 6; }));
  etcd.HoldAnswers(false);
  EXPECT_TRUE(Eventually([&] { return load.EndMeasuring().operations > 100; }));
  load.Stop();
  EXPECT_EQ(etcd.most_in_flight(), 6);
}

TEST(EtcdLoad, ReadOfAKeyThatIsNotThereHasFailed) {
  FakeEtcd etcd;
  EtcdLoad load({etcd.address()}, {1, 1}, {"get", 1}, kSpace);
  const LoadFigures figures = RunUntilAnswered(load);
  EXPECT_EQ(figures.operations, 0u);
  EXPECT_GT(figures.failed, 0u);
  EXPECT_EQ(figures.first_error, "the key is not there");
}

TEST(EtcdLoad, ErrorsAreFailuresWithTheirReason) {
  FakeEtcd etcd;
  etcd.FailWith({grpc::StatusCode::RESOURCE_EXHAUSTED, "etcdserver: too many requests"});
  EtcdLoad load({etcd.address()}, {2, 2}, {"put", 0}, kSpace);
  const LoadFigures figures = RunUntilAnswered(load);
  EXPECT_EQ(figures.operations, 0u);
  EXPECT_GT(figures.failed, 0u);
  EXPECT_EQ(figures.first_error, "etcdserver: too many requests");
}

TEST(EtcdLoad, SilentMemberIsGivenUp) {
  FakeEtcd etcd;
  etcd.HoldAnswers(true);
  EtcdLoad load({etcd.address()}, {2, 2}, {"put", 0}, kSpace, nullptr,
                std::chrono::milliseconds(200));
  EXPECT_EQ(load.WriteAll().code(), StatusCode::kUnavailable);
}

TEST(EtcdLoad, InterruptionEndsIt) {
  FakeEtcd etcd;
  std::atomic<bool> interrupted{true};
  EXPECT_TRUE(EtcdLoad({etcd.address()}, {2, 2}, {"put", 0}, kSpace, &interrupted).WriteAll().ok());
  EXPECT_TRUE(etcd.Puts().empty());
}

TEST(EtcdLoad, MemberIsAskedWhetherItServes) {
  std::string address;
  {
    FakeEtcd etcd;
    address = etcd.address();
    EXPECT_TRUE(AskEtcd(address).ok());
    etcd.FailWith({grpc::StatusCode::UNAVAILABLE, "etcdserver: no leader"});
    EXPECT_EQ(AskEtcd(address).message(), address + ": etcdserver: no leader");
  }
  EXPECT_EQ(AskEtcd(address).code(), StatusCode::kUnavailable);
}

}  // namespace
}  // namespace ringkv::bench
