// What a caller of the load balancer sees: who takes which key, who is counted for it, and what is
// refused. What is random follows from a seed in the test.
#include "ring/load_balancer.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/random.h"
#include "ring/memory_discovery.h"
#include "tests/ring/cluster_fixture.h"

namespace ringkv {
namespace {

using Mode = LoadBalancerOptions::Mode;
using Homes = std::map<std::string, std::string>;  // server by key

std::string Name(uint32_t number) { return "s" + std::to_string(number); }
std::string AddressOf(uint32_t number) { return "10.0.0.1:" + std::to_string(1000 + number); }
std::string Key(uint64_t number) { return "key-" + std::to_string(number); }

LoadBalancerOptions Options(Mode mode, double bound = 0, uint32_t slots = 4096) {
  LoadBalancerOptions options;
  options.mode = mode;
  options.bound = bound;
  options.slots = slots;
  return options;
}

// s1 to s`weights`.size().
void RegisterAll(LoadBalancer& balancer, const std::vector<uint32_t>& weights) {
  for (uint32_t i = 0; i < weights.size(); ++i) {
    ASSERT_TRUE(balancer.RegisterServer(Name(i + 1), AddressOf(i + 1), weights[i]).ok());
  }
}

// Of a balancer or a picker that has somebody for the key.
template <class Balancer>
ServerLease Take(Balancer& balancer, const std::string& key) {
  return balancer.GetServerForKey(key).value();
}

std::string ServerOf(LoadBalancer& balancer, const std::string& key) {
  Result<ServerLease> lease = balancer.GetServerForKey(key);
  return lease.ok() ? lease->id().value() : lease.status().ToString();
}

Homes HomesOf(LoadBalancer& balancer, uint32_t keys) {
  Homes homes;
  for (uint32_t i = 0; i < keys; ++i) homes[Key(i)] = ServerOf(balancer, Key(i));
  return homes;
}

std::map<std::string, uint32_t> CountByServer(const Homes& homes) {
  std::map<std::string, uint32_t> counts;
  for (const auto& [key, server] : homes) ++counts[server];
  return counts;
}

uint64_t InFlight(const LoadBalancer& balancer, const std::string& id) {
  return balancer.GetServerStatus(id)->in_flight;
}

// Counts that are to be `expected` by a random draw of independent keys: five standard deviations.
void ExpectDrawn(uint32_t count, double expected, const std::string& what) {
  EXPECT_NEAR(count, expected, 5 * std::sqrt(expected) + 1) << what;
}

// ---- register, unregister, look up, status --------------------------------------------------

TEST(LoadBalancerTest, TheOnlyServerTakesEveryKey) {
  LoadBalancer balancer(Options(Mode::kAny));
  ASSERT_TRUE(balancer.RegisterServer("s1", "10.0.0.1:80").ok());
  Result<ServerLease> lease = balancer.GetServerForKey("k");
  ASSERT_TRUE(lease.ok());
  EXPECT_EQ(lease->id().value(), "s1");
  EXPECT_EQ(lease->address(), "10.0.0.1:80");
}

TEST(LoadBalancerTest, KeysAreSharedOutByWeight) {
  LoadBalancer balancer(Options(Mode::kAny));
  RegisterAll(balancer, {100, 200, 50, 150});
  constexpr uint32_t kKeys = 100'000;
  auto counts = CountByServer(HomesOf(balancer, kKeys));
  // By slots it is exact to one in 4096; the keys are drawn.
  ExpectDrawn(counts["s1"], kKeys * 0.2, "s1");
  ExpectDrawn(counts["s2"], kKeys * 0.4, "s2");
  ExpectDrawn(counts["s3"], kKeys * 0.1, "s3");
  ExpectDrawn(counts["s4"], kKeys * 0.3, "s4");
}

TEST(LoadBalancerTest, ANewServerTakesKeysAndNoneMoveBetweenOthers) {
  LoadBalancer balancer(Options(Mode::kAny));
  RegisterAll(balancer, {100, 100, 100});
  const Homes before = HomesOf(balancer, 20'000);
  ASSERT_TRUE(balancer.RegisterServer("s4", AddressOf(4), 100).ok());
  uint32_t moved = 0;
  for (const auto& [key, server] : HomesOf(balancer, 20'000)) {
    if (server == before.at(key)) continue;
    EXPECT_EQ(server, "s4");
    ++moved;
  }
  ExpectDrawn(moved, 20'000 / 4.0, "moved");
}

TEST(LoadBalancerTest, AServerThatIsUnregisteredLeavesItsKeysToTheOthersAndNoOtherKeyMoves) {
  LoadBalancer balancer(Options(Mode::kAny));
  RegisterAll(balancer, {100, 100, 100, 100});
  const Homes before = HomesOf(balancer, 20'000);
  ASSERT_TRUE(balancer.UnregisterServer("s2").ok());
  for (const auto& [key, server] : HomesOf(balancer, 20'000)) {
    if (before.at(key) != "s2") {
      EXPECT_EQ(server, before.at(key));
    } else {
      EXPECT_NE(server, "s2");
    }
  }
}

TEST(LoadBalancerTest, ARaisedWeightOnlyDrawsKeysAndALoweredOneOnlyGivesThem) {
  LoadBalancer balancer(Options(Mode::kAny));
  RegisterAll(balancer, {100, 100, 100});
  const Homes even = HomesOf(balancer, 20'000);
  ASSERT_TRUE(balancer.SetWeight("s1", 200).ok());
  EXPECT_EQ(balancer.GetServerStatus("s1")->weight, 200u);
  const Homes raised = HomesOf(balancer, 20'000);
  for (const auto& [key, server] : raised) {
    EXPECT_TRUE(server == even.at(key) || server == "s1") << server;
  }
  ExpectDrawn(CountByServer(raised)["s1"], 10'000, "s1");
  ASSERT_TRUE(balancer.SetWeight("s1", 100).ok());
  for (const auto& [key, server] : HomesOf(balancer, 20'000)) {
    EXPECT_TRUE(server == raised.at(key) || raised.at(key) == "s1") << server;
  }
}

TEST(LoadBalancerTest, StatusSaysWhoWhereAndHowMuch) {
  LoadBalancer balancer(Options(Mode::kAny));
  ASSERT_TRUE(balancer.RegisterServer("s1", "10.0.0.1:80", 7).ok());
  std::vector<ServerLease> leases;
  for (int i = 0; i < 3; ++i) leases.push_back(Take(balancer, "k"));
  leases.pop_back();
  Result<ServerStatus> status = balancer.GetServerStatus("s1");
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(status->id.value(), "s1");
  EXPECT_EQ(status->address, "10.0.0.1:80");
  EXPECT_EQ(status->weight, 7u);
  EXPECT_EQ(status->state, ServerState::kOnline);
  EXPECT_EQ(status->in_flight, 2u);
  EXPECT_EQ(status->total, 3u);
}

TEST(LoadBalancerTest, ANewAddressMovesNoKeyAndBeginsToCountAnew) {
  LoadBalancer balancer(Options(Mode::kAny));
  RegisterAll(balancer, {100, 100, 100});
  const Homes before = HomesOf(balancer, 2'000);
  std::string key;
  for (const auto& [k, server] : before) {
    if (server == "s2") key = k;
  }
  ServerLease earlier = Take(balancer, key);
  ASSERT_TRUE(balancer.SetAddress("s2", "10.9.9.9:99").ok());
  EXPECT_EQ(earlier.address(), AddressOf(2)) << "it is still under way to there";
  EXPECT_EQ(balancer.GetServerStatus("s2")->in_flight, 0u);
  EXPECT_EQ(balancer.GetServerStatus("s2")->total, 0u);
  EXPECT_EQ(balancer.GetServerForKey(key)->address(), "10.9.9.9:99");
  EXPECT_EQ(HomesOf(balancer, 2'000), before);
}

// ---- what is refused ------------------------------------------------------------------------

void ExpectError(const Status& status, StatusCode code, const std::string& words) {
  EXPECT_EQ(StatusCodeName(status.code()), StatusCodeName(code)) << status.message();
  EXPECT_NE(status.message().find(words), std::string::npos) << status.message();
}

TEST(LoadBalancerErrorTest, NoServerAtAll) {
  LoadBalancer balancer(Options(Mode::kAny));
  ExpectError(balancer.GetServerForKey("k").status(), StatusCode::kNotFound,
              "no server is registered");
  RegisterAll(balancer, {100});
  EXPECT_TRUE(balancer.GetServerForKey("k").ok());
  ASSERT_TRUE(balancer.UnregisterServer("s1").ok());
  ExpectError(balancer.GetServerForKey("k").status(), StatusCode::kNotFound,
              "no server is registered");
  RegisterAll(balancer, {100});
  EXPECT_TRUE(balancer.GetServerForKey("k").ok());
}

TEST(LoadBalancerErrorTest, AllServersOffline) {
  LoadBalancer balancer(Options(Mode::kAny));
  RegisterAll(balancer, {100, 100});
  ASSERT_TRUE(balancer.MarkDown("s1").ok());
  ASSERT_TRUE(balancer.MarkDraining("s2").ok());
  ExpectError(balancer.GetServerForKey("k").status(), StatusCode::kUnavailable, "online");
  ASSERT_TRUE(balancer.MarkUp("s2").ok());
  EXPECT_EQ(ServerOf(balancer, "k"), "s2");
}

TEST(LoadBalancerErrorTest, UnknownId) {
  LoadBalancer balancer(Options(Mode::kAny));
  RegisterAll(balancer, {100});
  const std::string words = "server 's9' is not there";
  ExpectError(balancer.UnregisterServer("s9"), StatusCode::kNotFound, words);
  ExpectError(balancer.GetServerStatus("s9").status(), StatusCode::kNotFound, words);
  ExpectError(balancer.MarkDown("s9"), StatusCode::kNotFound, words);
  ExpectError(balancer.MarkUp("s9"), StatusCode::kNotFound, words);
  ExpectError(balancer.MarkDraining("s9"), StatusCode::kNotFound, words);
  ExpectError(balancer.SetWeight("s9", 1), StatusCode::kNotFound, words);
  ExpectError(balancer.SetAddress("s9", "h:1"), StatusCode::kNotFound, words);
  ExpectError(balancer.Find("s9").status(), StatusCode::kNotFound, words);
}

TEST(LoadBalancerErrorTest, DuplicateId) {
  LoadBalancer balancer(Options(Mode::kAny));
  RegisterAll(balancer, {100});
  ExpectError(balancer.RegisterServer("s1", "10.0.0.2:80"), StatusCode::kRefused,
              "server 's1' is there already");
  EXPECT_EQ(balancer.GetServerStatus("s1")->address, AddressOf(1)) << "nothing changed";
}

TEST(LoadBalancerErrorTest, BadId) {
  LoadBalancer balancer(Options(Mode::kAny));
  for (const std::string& id : {std::string(), std::string("S 1"), std::string(64, 'a')}) {
    ExpectError(balancer.RegisterServer(id, "10.0.0.1:80"), StatusCode::kInvalidArgument, "id");
    ExpectError(balancer.GetServerStatus(id).status(), StatusCode::kInvalidArgument, "id");
  }
  EXPECT_TRUE(balancer.Servers().empty());
}

TEST(LoadBalancerErrorTest, BadAddress) {
  LoadBalancer balancer(Options(Mode::kAny));
  for (const char* address : {"", "10.0.0.1", "10.0.0.1:0", "10.0.0.1:70000", ":80"}) {
    ExpectError(balancer.RegisterServer("s1", address), StatusCode::kInvalidArgument,
                "server 's1': ");
  }
  EXPECT_TRUE(balancer.Servers().empty());
  RegisterAll(balancer, {100});
  ExpectError(balancer.SetAddress("s1", "nowhere"), StatusCode::kInvalidArgument, "server 's1': ");
  EXPECT_EQ(balancer.GetServerStatus("s1")->address, AddressOf(1));
}

TEST(LoadBalancerErrorTest, BadWeight) {
  LoadBalancer balancer(Options(Mode::kAny));
  RegisterAll(balancer, {100});
  for (uint32_t weight : {0u, 4097u}) {
    const std::string words = "its weight is " + std::to_string(weight);
    ExpectError(balancer.RegisterServer("s2", "10.0.0.1:80", weight), StatusCode::kInvalidArgument,
                words);
    ExpectError(balancer.SetWeight("s1", weight), StatusCode::kInvalidArgument, words);
  }
  EXPECT_EQ(balancer.Servers().size(), 1u);
  EXPECT_EQ(balancer.GetServerStatus("s1")->weight, 100u);
}

TEST(LoadBalancerErrorTest, BadOptions) {
  EXPECT_TRUE(CheckLoadBalancerOptions(Options(Mode::kAny, 1.25)).ok());
  for (double bound : {1.0, 0.5, -1.0, 101.0, std::nan("")}) {
    ExpectError(CheckLoadBalancerOptions(Options(Mode::kAny, bound)), StatusCode::kInvalidArgument,
                "bound");
  }
  ExpectError(CheckLoadBalancerOptions(Options(Mode::kAny, 0, 100)), StatusCode::kInvalidArgument,
              "slots");
}

// ---- down and up again ----------------------------------------------------------------------

TEST(LoadBalancerTest, KeysOfADownedServerGoToAllOthersByWeightAndNoOtherKeyMoves) {
  LoadBalancer balancer(Options(Mode::kAny));
  std::vector<uint32_t> weights;
  for (uint32_t i = 0; i < 20; ++i) weights.push_back(i % 2 == 0 ? 100 : 300);
  RegisterAll(balancer, weights);
  constexpr uint32_t kKeys = 100'000;
  const Homes before = HomesOf(balancer, kKeys);
  ASSERT_TRUE(balancer.MarkDown("s8").ok());
  std::map<std::string, uint32_t> taken_over;
  uint32_t moved = 0;
  for (const auto& [key, server] : HomesOf(balancer, kKeys)) {
    if (before.at(key) != "s8") {
      EXPECT_EQ(server, before.at(key));
      continue;
    }
    ++taken_over[server];
    ++moved;
  }
  ExpectDrawn(moved, kKeys * 300 / 4000.0, "moved");
  EXPECT_EQ(taken_over.count("s8"), 0u);
  for (uint32_t i = 1; i <= 20; ++i) {
    if (i == 8) continue;
    ExpectDrawn(taken_over[Name(i)], moved * weights[i - 1] / 3700.0, Name(i));
  }
}

TEST(LoadBalancerTest, AStandInIsTheSameEachTimeAndKeysComeBackWithTheirServer) {
  LoadBalancer balancer(Options(Mode::kAny));
  RegisterAll(balancer, {100, 200, 300, 400});
  const Homes before = HomesOf(balancer, 5'000);
  ASSERT_TRUE(balancer.MarkDown("s3").ok());
  const Homes without = HomesOf(balancer, 5'000);
  EXPECT_EQ(HomesOf(balancer, 5'000), without);
  ASSERT_TRUE(balancer.MarkUp("s3").ok());
  EXPECT_EQ(HomesOf(balancer, 5'000), before);
  ASSERT_TRUE(balancer.MarkDown("s3").ok());
  EXPECT_EQ(HomesOf(balancer, 5'000), without);
}

TEST(LoadBalancerTest, ADrainingServerFinishesWhatItHasAndTakesNothingNew) {
  LoadBalancer balancer(Options(Mode::kAny));
  RegisterAll(balancer, {100, 100});
  const Homes before = HomesOf(balancer, 100);
  std::string key;
  for (const auto& [k, server] : before) {
    if (server == "s1") key = k;
  }
  ServerLease lease = Take(balancer, key);
  ASSERT_TRUE(balancer.MarkDraining("s1").ok());
  EXPECT_EQ(ServerOf(balancer, key), "s2");
  EXPECT_EQ(balancer.GetServerStatus("s1")->state, ServerState::kDraining);
  EXPECT_EQ(InFlight(balancer, "s1"), 1u);
  lease.End();
  EXPECT_EQ(InFlight(balancer, "s1"), 0u);
  ASSERT_TRUE(balancer.MarkUp("s1").ok());
  EXPECT_EQ(HomesOf(balancer, 100), before);
}

TEST(LoadBalancerTest, TheOneServerOnlineAmongManyIsFound) {
  LoadBalancer balancer(Options(Mode::kAny));
  constexpr uint32_t kServers = 300;
  RegisterAll(balancer, std::vector<uint32_t>(kServers, 10));
  for (uint32_t i = 1; i <= kServers; ++i) {
    if (i == 217) continue;
    ASSERT_TRUE(balancer.MarkDown(Name(i)).ok());
  }
  for (uint32_t i = 0; i < 1000; ++i) EXPECT_EQ(ServerOf(balancer, Key(i)), "s217");
}

TEST(LoadBalancerTest, WhereHardlyAnyServerIsOnlineKeysAreStillSharedOutByWeight) {
  LoadBalancer balancer(Options(Mode::kAny));
  std::vector<uint32_t> weights(200, 20);
  weights[10] = 10;
  weights[20] = 30;
  RegisterAll(balancer, weights);
  for (uint32_t i = 1; i <= 200; ++i) {
    if (i == 11 || i == 21) continue;
    ASSERT_TRUE(balancer.MarkDown(Name(i)).ok());
  }
  constexpr uint32_t kKeys = 20'000;
  auto counts = CountByServer(HomesOf(balancer, kKeys));
  ExpectDrawn(counts["s11"], kKeys * 0.25, "s11");
  ExpectDrawn(counts["s21"], kKeys * 0.75, "s21");
}

// Whatever goes down or up: keys move off what goes down, or to what comes up, and no others.
RC_GTEST_PROP(LoadBalancerPropertyTest, OnlyTheKeysOfTheServerThatChangesMove, ()) {
  const auto servers = *rc::gen::inRange(1u, 12u);
  const auto weights =
      *rc::gen::container<std::vector<uint32_t>>(servers, rc::gen::inRange(1u, 50u));
  const auto changes = *rc::gen::container<std::vector<uint32_t>>(*rc::gen::inRange(1u, 16u),
                                                                  rc::gen::inRange(0u, servers));
  LoadBalancer balancer(Options(Mode::kAny, 0, 64));
  for (uint32_t i = 0; i < servers; ++i) {
    RC_ASSERT(balancer.RegisterServer(Name(i + 1), AddressOf(i + 1), weights[i]).ok());
  }
  std::set<std::string> down;
  std::map<std::set<std::string>, Homes> seen;  // by who is down: the same each time
  Homes before = HomesOf(balancer, 300);
  seen[down] = before;
  for (uint32_t change : changes) {
    const std::string id = Name(change + 1);
    const bool goes_down = down.insert(id).second;
    if (!goes_down) down.erase(id);
    RC_ASSERT((goes_down ? balancer.MarkDown(id) : balancer.MarkUp(id)).ok());
    Homes now = HomesOf(balancer, 300);
    // Where none is online, the "server" is the error: it too gives way to who comes up.
    for (const auto& [key, server] : now) {
      if (server != before.at(key)) RC_ASSERT((goes_down ? before.at(key) : server) == id);
    }
    auto [known, fresh] = seen.emplace(down, now);
    RC_ASSERT(known->second == now);
    before = std::move(now);
  }
}

// ---- counting -------------------------------------------------------------------------------

TEST(LoadBalancerTest, ALeaseCountsOnceHoweverItIsMovedAndEnded) {
  LoadBalancer balancer(Options(Mode::kAny));
  RegisterAll(balancer, {100});
  LoadBalancer::Picker picker(balancer);
  {
    ServerLease a = Take(picker, "k");
    ServerLease b = std::move(a);
    EXPECT_EQ(InFlight(balancer, "s1"), 1u);
    ServerLease c = Take(picker, "k");
    c = std::move(b);  // ends what it was
    EXPECT_EQ(InFlight(balancer, "s1"), 1u);
    c.End();
    c.End();
    EXPECT_EQ(InFlight(balancer, "s1"), 0u);
    EXPECT_FALSE(c);
  }
  EXPECT_EQ(InFlight(balancer, "s1"), 0u);
  EXPECT_EQ(balancer.GetServerStatus("s1")->total, 2u);
}

TEST(LoadBalancerTest, ALeaseOutlivesItsServersPlaceAndItsPicker) {
  LoadBalancer balancer(Options(Mode::kAny));
  RegisterAll(balancer, {100});
  ServerLease lease;
  {
    LoadBalancer::Picker picker(balancer);
    lease = Take(picker, "k");
  }
  ASSERT_TRUE(balancer.UnregisterServer("s1").ok());
  // Each gets a number of its own; the first server's is not given away while the lease lasts.
  RegisterAll(balancer, {100, 100, 100});
  EXPECT_EQ(lease.id().value(), "s1");
  EXPECT_EQ(lease.address(), AddressOf(1));
  for (const ServerStatus& status : balancer.Servers()) EXPECT_EQ(status.in_flight, 0u);
  lease.End();
  for (const ServerStatus& status : balancer.Servers()) EXPECT_EQ(status.in_flight, 0u);
}

TEST(LoadBalancerTest, AServerThatComesBackCountsFromNothing) {
  LoadBalancer balancer(Options(Mode::kAny));
  for (int round = 1; round <= 50; ++round) {
    RegisterAll(balancer, {100});
    for (int i = 0; i < round; ++i) EXPECT_EQ(ServerOf(balancer, Key(i)), "s1");
    EXPECT_EQ(balancer.GetServerStatus("s1")->total, static_cast<uint64_t>(round));
    ASSERT_TRUE(balancer.UnregisterServer("s1").ok());
  }
}

// ---- bounded loads --------------------------------------------------------------------------

// Zipf-distributed numbers from 0, the first the most frequent, by inversion of a table.
class Zipf {
 public:
  Zipf(uint32_t items, double exponent) {
    double sum = 0;
    for (uint32_t i = 1; i <= items; ++i) sums_.push_back(sum += std::pow(i, -exponent));
  }
  uint32_t Draw(Random& random) const {
    const double at = random.Unit() * sums_.back();
    return static_cast<uint32_t>(std::upper_bound(sums_.begin(), sums_.end(), at) - sums_.begin());
  }

 private:
  std::vector<double> sums_;
};

uint64_t CapacityAt(double bound, uint64_t in_flight, uint32_t weight, uint32_t online_weight) {
  return static_cast<uint64_t>(
      std::ceil(bound * static_cast<double>(in_flight) * weight / online_weight - 1e-9));
}

const std::vector<uint32_t> kUneven = {100, 200, 100, 50, 150, 100, 100, 200};
constexpr uint32_t kUnevenSum = 1000;

TEST(BoundedLoadTest, WithBoundAndZipfKeysNoServerTakesMoreThanItsBound) {
  const Zipf zipf(10'000, 1.2);
  LoadBalancer balancer(Options(Mode::kAny, 1.25));
  RegisterAll(balancer, kUneven);
  LoadBalancer unbounded(Options(Mode::kAny));
  RegisterAll(unbounded, kUneven);
  Random random(7);
  std::vector<ServerLease> leases;
  uint32_t overflow = 0;
  for (uint64_t m = 1; m <= 20'000; ++m) {
    const std::string key = Key(zipf.Draw(random));
    leases.push_back(Take(balancer, key));
    const std::string& id = leases.back().id().value();
    const uint32_t weight = balancer.GetServerStatus(id)->weight;
    EXPECT_LE(InFlight(balancer, id), CapacityAt(1.25, m, weight, kUnevenSum)) << m;
    if (id != ServerOf(unbounded, key)) ++overflow;
  }
  // None has finished, so that what held for each request holds at the end for each server.
  for (const ServerStatus& status : balancer.Servers()) {
    EXPECT_LE(status.in_flight, CapacityAt(1.25, 20'000, status.weight, kUnevenSum));
  }
  EXPECT_GT(overflow, 1000u) << "such keys fill somebody, or this proves nothing";
}

TEST(BoundedLoadTest, WithoutBoundTheSameKeysOverloadAServer) {
  const Zipf zipf(10'000, 1.2);
  LoadBalancer balancer(Options(Mode::kAny));
  RegisterAll(balancer, kUneven);
  Random random(7);
  std::vector<ServerLease> leases;
  for (int i = 0; i < 20'000; ++i) {
    leases.push_back(Take(balancer, Key(zipf.Draw(random))));
  }
  double worst = 0;
  for (const ServerStatus& status : balancer.Servers()) {
    worst = std::max(
        worst, static_cast<double>(status.in_flight) / (20'000.0 * status.weight / kUnevenSum));
  }
  EXPECT_GT(worst, 1.5);
}

TEST(BoundedLoadTest, WhileRequestsComeAndGoEachIsTakenWithinTheBoundOfItsMoment) {
  const Zipf zipf(10'000, 1.2);
  LoadBalancer balancer(Options(Mode::kAny, 1.25));
  RegisterAll(balancer, kUneven);
  ASSERT_TRUE(balancer.MarkDown("s6").ok());
  const uint32_t online = kUnevenSum - 100;
  Random random(11);
  std::vector<ServerLease> leases;
  for (int i = 0; i < 50'000; ++i) {
    if (!leases.empty() && (leases.size() > 400 || random.Chance(0.45))) {
      std::swap(leases[random.Below(leases.size())], leases.back());
      leases.pop_back();
      continue;
    }
    leases.push_back(Take(balancer, Key(zipf.Draw(random))));
    const ServerStatus status = *balancer.GetServerStatus(leases.back().id().value());
    EXPECT_NE(status.id.value(), "s6");
    EXPECT_LE(status.in_flight, CapacityAt(1.25, leases.size(), status.weight, online));
  }
}

TEST(BoundedLoadTest, OverflowGoesToTheKeysNextServerAndComesBack) {
  LoadBalancer bounded(Options(Mode::kAny, 2));
  RegisterAll(bounded, {100, 100, 100, 100});
  LoadBalancer unbounded(Options(Mode::kAny));
  RegisterAll(unbounded, {100, 100, 100, 100});
  const std::string home = ServerOf(unbounded, "hot");
  ASSERT_TRUE(unbounded.MarkDown(home).ok());
  const std::string next = ServerOf(unbounded, "hot");
  // Of four equal servers with bound 2 each takes half of what is in flight.
  ServerLease first = Take(bounded, "hot");
  EXPECT_EQ(first.id().value(), home);
  ServerLease second = Take(bounded, "hot");
  EXPECT_EQ(second.id().value(), next) << "one of two in flight is the bound";
  ServerLease third = Take(bounded, "hot");
  EXPECT_EQ(third.id().value(), home) << "two of three are allowed again";
  first.End();
  third.End();
  EXPECT_EQ(ServerOf(bounded, "hot"), home);
}

TEST(BoundedLoadTest, AServerBelowTheLeastCapacityAlwaysHasRoom) {
  LoadBalancerOptions options = Options(Mode::kAny, 1.25);
  options.min_capacity = 10;
  LoadBalancer balancer(options);
  RegisterAll(balancer, {100, 100, 100, 100});
  const std::string home = ServerOf(balancer, "hot");
  std::vector<ServerLease> leases;
  for (int i = 0; i < 10; ++i) {
    leases.push_back(Take(balancer, "hot"));
    EXPECT_EQ(leases.back().id().value(), home);
  }
  leases.push_back(Take(balancer, "hot"));
  EXPECT_NE(leases.back().id().value(), home);
}

// ---- rows -----------------------------------------------------------------------------------

class RowTest : public testing::Test {
 protected:
  // Servers named as the ring's nodes, n1 to n6; a row of three for each slot.
  void Make(double bound = 0) {
    balancer_ = std::make_unique<LoadBalancer>(Options(Mode::kRow, bound));
    for (NodeIndex node : ring_->nodes()) {
      const Member& member = ring_->member(node);
      ASSERT_TRUE(balancer_->RegisterServer(member.id.value(), member.address, member.vnodes).ok());
    }
    ASSERT_TRUE(balancer_->SetRing(ring_).ok());
  }
  std::vector<std::string> RowOf(const std::string& key) const {
    std::vector<std::string> row;
    for (NodeIndex node : ring_->ReplicasOfKey(key)) row.push_back(ring_->member(node).id.value());
    return row;
  }

  std::shared_ptr<const Ring> ring_ = std::make_shared<const Ring>(Formed(6, 3, 64));
  std::unique_ptr<LoadBalancer> balancer_;
};

TEST_F(RowTest, ThePrimaryTakesItsKeys) {
  Make();
  for (int i = 0; i < 500; ++i) EXPECT_EQ(ServerOf(*balancer_, Key(i)), RowOf(Key(i))[0]);
}

TEST_F(RowTest, CandidatesAreTheReplicasInTheirOrderAndNobodyElse) {
  Make();
  const std::vector<std::string> row = RowOf("k");
  ASSERT_TRUE(balancer_->MarkDown(row[0]).ok());
  EXPECT_EQ(ServerOf(*balancer_, "k"), row[1]);
  ASSERT_TRUE(balancer_->MarkDraining(row[1]).ok());
  EXPECT_EQ(ServerOf(*balancer_, "k"), row[2]);
  ASSERT_TRUE(balancer_->UnregisterServer(row[2]).ok());
  ExpectError(balancer_->GetServerForKey("k").status(), StatusCode::kUnavailable,
              "no server of slot");
  ASSERT_TRUE(balancer_->MarkUp(row[0]).ok());
  EXPECT_EQ(ServerOf(*balancer_, "k"), row[0]);
}

TEST_F(RowTest, AReplicaIsACandidateOnceItIsRegistered) {
  balancer_ = std::make_unique<LoadBalancer>(Options(Mode::kRow));
  ExpectError(balancer_->GetServerForKey("k").status(), StatusCode::kNotFound, "no ring");
  ASSERT_TRUE(balancer_->SetRing(ring_).ok());
  ExpectError(balancer_->GetServerForKey("k").status(), StatusCode::kUnavailable, "no server of");
  const std::vector<std::string> row = RowOf("k");
  ASSERT_TRUE(balancer_->RegisterServer(row[2], "h:1").ok());
  EXPECT_EQ(ServerOf(*balancer_, "k"), row[2]);
  ASSERT_TRUE(balancer_->RegisterServer(row[0], "h:2").ok());
  EXPECT_EQ(ServerOf(*balancer_, "k"), row[0]);
}

TEST_F(RowTest, ANextRingCountsFromItsPublication) {
  Make();
  Ring next = RemoveNode(*ring_, Id(RowOf("k")[0])).value().next;
  ring_ = std::make_shared<const Ring>(std::move(next));
  ASSERT_TRUE(balancer_->SetRing(ring_).ok());
  for (int i = 0; i < 500; ++i) EXPECT_EQ(ServerOf(*balancer_, Key(i)), RowOf(Key(i))[0]);
}

TEST_F(RowTest, ABalancerWithARingOfItsOwnTakesNoOther) {
  LoadBalancer any(Options(Mode::kAny));
  ExpectError(any.SetRing(ring_), StatusCode::kRefused, "a ring of its own");
}

TEST_F(RowTest, AHotKeySpreadsOverItsReplicasAndComesBackToThePrimary) {
  Make(1.25);
  const std::vector<std::string> row = RowOf("hot");
  std::vector<ServerLease> leases;
  for (int i = 0; i < 90; ++i) leases.push_back(Take(*balancer_, "hot"));
  // All in flight is on three of six servers, each of which has a share of a sixth: all are past
  // their bound, and level.
  for (const std::string& id : row) EXPECT_EQ(InFlight(*balancer_, id), 30u);
  leases.clear();
  EXPECT_EQ(ServerOf(*balancer_, "hot"), row[0]);
}

TEST_F(RowTest, PickAmongTakesTheFirstEligibleWithRoom) {
  Make(1.25);
  LoadBalancer::Picker picker(*balancer_);
  std::vector<ServerRef> held;
  std::vector<BalancedServer*> row;
  for (const char* id : {"n1", "n2", "n3"}) {
    held.push_back(*balancer_->Find(id));
    row.push_back(held.back().get());
  }
  EXPECT_EQ(picker.PickAmong(row, 0b111).place, 0);
  EXPECT_EQ(picker.PickAmong(row, 0b110).place, 1);
  EXPECT_EQ(picker.PickAmong(row, 0b100).place, 2);
  EXPECT_EQ(picker.PickAmong(row, 0).place, -1);
  auto first = picker.PickAmong(row, 0b111);
  EXPECT_EQ(first.lease.id().value(), "n1");
  EXPECT_EQ(picker.PickAmong(row, 0b111).place, 1) << "one of two is all that one of six may have";
  EXPECT_EQ(picker.PickAmong(row, 0b001).place, 0) << "nobody else is eligible";
  ASSERT_TRUE(balancer_->MarkDown("n1").ok());
  EXPECT_EQ(picker.PickAmong(row, 0b001).place, -1);
}

TEST_F(RowTest, WhatIsCountedUnaskedFillsAServerToo) {
  Make(1.25);
  LoadBalancer::Picker picker(*balancer_);
  ServerRef primary = *balancer_->Find(RowOf("k")[0]);
  ServerLease counted = picker.Count(*primary);
  EXPECT_EQ(InFlight(*balancer_, primary->id().value()), 1u);
  EXPECT_EQ(ServerOf(*balancer_, "k"), RowOf("k")[1]);
  counted.End();
  EXPECT_EQ(ServerOf(*balancer_, "k"), RowOf("k")[0]);
}

// ---- service discovery ----------------------------------------------------------------------

DiscoveredServer Discovered(uint32_t number, uint32_t weight = 100,
                            ServerState state = ServerState::kOnline) {
  return {Name(number), AddressOf(number), weight, state};
}

std::vector<std::string> Ids(const LoadBalancer& balancer) {
  std::vector<std::string> ids;
  for (const ServerStatus& status : balancer.Servers()) ids.push_back(status.id.value());
  return ids;
}

using Strings = std::vector<std::string>;

TEST(LoadBalancerDiscoveryTest, ServersComeAndGoAsDiscoverySays) {
  MemoryDiscovery discovery;
  discovery.Put(Discovered(1));
  LoadBalancer balancer(Options(Mode::kAny));
  auto watch = balancer.Follow(discovery);
  EXPECT_EQ(Ids(balancer), Strings{"s1"}) << "who was there before";
  discovery.Put(Discovered(2));
  discovery.Put(Discovered(3));
  discovery.Remove("s1");
  EXPECT_EQ(Ids(balancer), (Strings{"s2", "s3"}));
  EXPECT_NE(ServerOf(balancer, "k"), "s1");
}

TEST(LoadBalancerDiscoveryTest, WhatChangesIsChanged) {
  MemoryDiscovery discovery;
  LoadBalancer balancer(Options(Mode::kAny));
  auto watch = balancer.Follow(discovery);
  discovery.Put(Discovered(1));
  discovery.Put(Discovered(2, 100, ServerState::kDraining));
  EXPECT_EQ(balancer.GetServerStatus("s2")->state, ServerState::kDraining);
  discovery.Put({"s2", "10.8.8.8:8", 250, ServerState::kOffline});
  const ServerStatus status = *balancer.GetServerStatus("s2");
  EXPECT_EQ(status.address, "10.8.8.8:8");
  EXPECT_EQ(status.weight, 250u);
  EXPECT_EQ(status.state, ServerState::kOffline);
}

TEST(LoadBalancerDiscoveryTest, AfterAGapWhoIsNotNamedHasGone) {
  MemoryDiscovery discovery;
  LoadBalancer balancer(Options(Mode::kAny));
  auto watch = balancer.Follow(discovery);
  discovery.Put(Discovered(1));
  discovery.Put(Discovered(2));
  ASSERT_TRUE(balancer.RegisterServer("by-hand", "h:1").ok());
  discovery.Replace({Discovered(2), Discovered(3)});
  EXPECT_EQ(Ids(balancer), (Strings{"by-hand", "s2", "s3"}));
}

TEST(LoadBalancerDiscoveryTest, WhatMakesNoSenseIsLeftOutAndTheRestApplied) {
  LoadBalancer balancer(Options(Mode::kAny));
  ASSERT_TRUE(balancer.RegisterServer("s5", "h:5").ok());
  DiscoveryUpdate update;
  update.present = {Discovered(1),    {"Bad Id", "h:1"}, {"s2", "nowhere"},
                    Discovered(3, 0), Discovered(4),     Discovered(5)};
  update.gone = {"never-there", "s5", "Bad Id"};
  ExpectError(balancer.Apply(update), StatusCode::kInvalidArgument, "id");
  EXPECT_EQ(Ids(balancer), (Strings{"s1", "s4", "s5"}));
  EXPECT_EQ(balancer.GetServerStatus("s5")->address, "h:5") << "registered by hand";
}

TEST(LoadBalancerDiscoveryTest, AfterTheWatchEndsNothingChanges) {
  MemoryDiscovery discovery;
  LoadBalancer balancer(Options(Mode::kAny));
  auto watch = balancer.Follow(discovery);
  discovery.Put(Discovered(1));
  watch.reset();
  discovery.Put(Discovered(2));
  discovery.Remove("s1");
  EXPECT_EQ(Ids(balancer), Strings{"s1"});
}

}  // namespace
}  // namespace ringkv
