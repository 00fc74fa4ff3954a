// Look-ups and changes at once; to be run under the thread sanitizer too (./dev build --preset
// tsan). How fast the threads are together is measured, not tested (bench/ring).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <thread>

#include "base/random.h"
#include "ring/load_balancer.h"
#include "tests/ring/wait_for.h"

namespace ringkv {
namespace {

std::string Name(uint32_t number) { return "s" + std::to_string(number); }
std::string Key(uint64_t number) { return "key-" + std::to_string(number); }

std::unique_ptr<LoadBalancer> Make(uint32_t servers, double bound = 0) {
  LoadBalancerOptions options;
  options.slots = 256;
  options.bound = bound;
  auto balancer = std::make_unique<LoadBalancer>(options);
  for (uint32_t i = 1; i <= servers; ++i) {
    EXPECT_TRUE(balancer->RegisterServer(Name(i), "10.0.0.1:" + std::to_string(i), 10 * i).ok());
  }
  return balancer;
}

void ExpectNothingInFlight(const LoadBalancer& balancer) {
  for (const ServerStatus& status : balancer.Servers()) {
    EXPECT_EQ(status.in_flight, 0u) << status.id.value();
  }
}

// Looks keys up without a break and ends what it took in any order.
class Caller {
 public:
  // Through a picker of its own, or through the balancer's pool.
  Caller(LoadBalancer& balancer, uint64_t seed, bool own_picker)
      : thread_([this, &balancer, seed, own_picker] {
          if (own_picker) {
            LoadBalancer::Picker picker(balancer);
            Run(picker, seed);
          } else {
            Run(balancer, seed);
          }
        }) {}
  ~Caller() { Join(); }

  uint64_t calls() const { return calls_; }
  void Join() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }

 private:
  template <class Balancer>
  void Run(Balancer& balancer, uint64_t seed) {
    Random random(seed);
    std::vector<ServerLease> leases;
    while (!stop_) {
      Result<ServerLease> lease = balancer.GetServerForKey(Key(random.Below(5000)));
      // One server is there and online all the time.
      if (!lease.ok()) {
        ADD_FAILURE() << lease.status().ToString();
        break;
      }
      leases.push_back(std::move(lease).value());
      EXPECT_EQ(leases.back().id().value()[0], 's');
      if (leases.size() > random.Below(20)) {
        std::swap(leases[random.Below(leases.size())], leases.back());
        EXPECT_EQ(leases.back().address().substr(0, 9), "10.0.0.1:");
        leases.pop_back();
      }
      ++calls_;
    }
  }

  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> calls_{0};
  std::thread thread_;  // last: it uses the others
};

void ChangeSomething(LoadBalancer& balancer, Random& random) {
  // s1 is left alone. What is not there, or there already, is no matter here.
  const std::string id = Name(static_cast<uint32_t>(random.Between(2, 12)));
  const std::string address = "10.0.0.1:" + std::to_string(random.Between(1, 9999));
  Status status;
  switch (random.Below(7)) {
    case 0:
    case 1:
      status = balancer.RegisterServer(id, address, static_cast<uint32_t>(random.Between(1, 99)));
      break;
    case 2:
      status = balancer.UnregisterServer(id);
      break;
    case 3:
      status = balancer.MarkDown(id);
      break;
    case 4:
      status = balancer.MarkUp(id);
      break;
    case 5:
      status = balancer.SetAddress(id, address);
      break;
    default:
      status = balancer.SetWeight(id, static_cast<uint32_t>(random.Between(1, 99)));
  }
  EXPECT_TRUE(status.ok() || status.code() == StatusCode::kNotFound ||
              status.code() == StatusCode::kRefused)
      << status.ToString();
}

class ChurnTest : public testing::TestWithParam<double> {};  // the bound

TEST_P(ChurnTest, LookUpsGoOnWhileServersComeAndGo) {
  auto balancer = Make(6, GetParam());
  {
    std::vector<std::unique_ptr<Caller>> callers;
    for (uint64_t i = 0; i < 4; ++i) {
      callers.push_back(std::make_unique<Caller>(*balancer, i, /*own_picker=*/i % 2 == 0));
    }
    Random random(42);
    for (int change = 0; change < 600; ++change) {
      ChangeSomething(*balancer, random);
      if (change % 50 != 0) continue;
      // A caller has at most 20. What begins and ends while the counts are summed up counts as in
      // flight too: whoever is interrupted there sees more, and looks again.
      ASSERT_TRUE(WaitFor([&] {
        const std::vector<ServerStatus> servers = balancer->Servers();
        return std::all_of(servers.begin(), servers.end(),
                           [](const ServerStatus& status) { return status.in_flight <= 4 * 20u; });
      }));
      // So that callers take part all the way, whatever the machine does.
      for (auto& caller : callers) {
        const uint64_t seen = caller->calls();
        ASSERT_TRUE(WaitFor([&] { return caller->calls() > seen + 10; }));
      }
    }
  }
  ExpectNothingInFlight(*balancer);
}

INSTANTIATE_TEST_SUITE_P(WithAndWithoutBound, ChurnTest, testing::Values(0, 1.25));

TEST(ThreadsTest, NothingIsLostInCountingByMoreThreadsThanThePoolHas) {
  constexpr int kThreads = 20, kEach = 500;
  auto balancer = Make(5);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        EXPECT_TRUE(balancer->GetServerForKey(Key(t * kEach + i)).ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  uint64_t total = 0;
  for (const ServerStatus& status : balancer->Servers()) total += status.total;
  EXPECT_EQ(total, static_cast<uint64_t>(kThreads) * kEach);
  ExpectNothingInFlight(*balancer);
}

TEST(ThreadsTest, RequestsEndOnOtherThreadsThanTheyBegan) {
  constexpr int kRounds = 50, kEach = 100;
  auto balancer = Make(5, 1.25);
  LoadBalancer::Picker picker(*balancer);
  for (int round = 0; round < kRounds; ++round) {
    std::vector<ServerLease> leases;
    for (int i = 0; i < kEach; ++i) leases.push_back(picker.GetServerForKey(Key(i)).value());
    std::thread ender([ending = std::move(leases)]() mutable { ending.clear(); });
    for (int i = 0; i < kEach; ++i) EXPECT_TRUE(picker.GetServerForKey(Key(i)).ok());
    ender.join();
  }
  ExpectNothingInFlight(*balancer);
}

TEST(ThreadsTest, TheBoundHoldsHoweverManyThreadsTakeTheLastPlaces) {
  constexpr uint64_t kThreads = 4, kEach = 2000, kWeights = 10 + 20 + 30 + 40 + 50;
  auto balancer = Make(5, 1.25);
  std::atomic<uint64_t> ready{0};
  std::vector<std::vector<ServerLease>> leases(kThreads);
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      LoadBalancer::Picker picker(*balancer);
      ++ready;
      while (ready < kThreads) std::this_thread::yield();
      // Ten hot keys: their homes are at their bound all the time.
      for (uint64_t i = 0; i < kEach; ++i) {
        leases[t].push_back(picker.GetServerForKey(Key(i % 10)).value());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const ServerStatus& status : balancer->Servers()) {
    const double share = static_cast<double>(kThreads * kEach) * status.weight / kWeights;
    EXPECT_LE(status.in_flight, std::ceil(1.25 * share)) << status.id.value();
  }
}

}  // namespace
}  // namespace ringkv
