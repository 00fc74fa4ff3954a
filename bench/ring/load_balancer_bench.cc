// What a look-up costs that finds a server, counts a request there and later its end: by mode, with
// and without a bound, by a picker of the thread's own or by one of the pool, on one thread and on
// two. For comparison: the primary of a key, with nothing counted.
//
// Each figure is the median of several runs, the cases taking turns so that whatever disturbs the
// machine disturbs all alike. "ns" is processor time a thread spends on one look-up: where threads
// get in each other's way it grows with their number. "M/s" is what all of them get done by the
// clock, which needs as many idle processors.
#include <time.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "base/random.h"
#include "ring/load_balancer.h"
#include "ring/planner.h"

namespace ringkv::bench {
namespace {

constexpr uint32_t kServers = 100;
constexpr uint32_t kSlots = 4096;
constexpr uint32_t kReplicas = 3;  // of a row
constexpr size_t kKeys = 4096;
constexpr size_t kInFlight = 256;  // requests of one thread
constexpr uint64_t kLookups = 1'000'000;

using Mode = LoadBalancerOptions::Mode;

struct Case {
  std::string name;
  int threads = 1;
  LoadBalancer* balancer = nullptr;  // null: the ring alone
  bool pool = false;
  std::vector<double> ns;
  std::vector<double> millions_per_second;
};

std::vector<Member> Servers() {
  std::vector<Member> servers;
  for (uint32_t i = 0; i < kServers; ++i) {
    const NodeId id = NodeId::Parse("s" + std::to_string(i)).value();
    servers.push_back({id, "10.0.0.1:" + std::to_string(1000 + i), "", 100});
  }
  return servers;
}

std::unique_ptr<LoadBalancer> MakeBalancer(Mode mode, double bound,
                                           const std::shared_ptr<const Ring>& rows) {
  LoadBalancerOptions options;
  options.mode = mode;
  options.bound = bound;
  options.slots = kSlots;
  auto balancer = std::make_unique<LoadBalancer>(options);
  Status status;
  for (const Member& server : Servers()) {
    if (status.ok()) {
      status = balancer->RegisterServer(server.id.value(), server.address, server.vnodes);
    }
  }
  if (status.ok() && mode == Mode::kRow) status = balancer->SetRing(rows);
  RINGKV_CHECK(status.ok(), status.message());
  return balancer;
}

// 16 bytes each.
std::vector<std::string> Keys(uint64_t seed) {
  Random random(seed);
  std::vector<std::string> keys;
  for (size_t i = 0; i < kKeys; ++i) {
    char key[17];
    std::snprintf(key, sizeof key, "%016llx", static_cast<unsigned long long>(random.Next()));
    keys.emplace_back(key);
  }
  return keys;
}

double ThreadCpuSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// A thread's part of a run; something that depends on all of its look-ups.
template <class Balancer>
uint64_t LookUp(Balancer& balancer, const std::vector<std::string>& keys) {
  std::vector<ServerLease> in_flight(kInFlight);
  for (uint64_t i = 0; i < kLookups; ++i) {
    in_flight[i % kInFlight] = balancer.GetServerForKey(keys[i % kKeys]).value();
  }
  return in_flight[0].address().size();
}

uint64_t LookUpPrimaries(const Ring& ring, const std::vector<std::string>& keys) {
  uint64_t sum = 0;
  for (uint64_t i = 0; i < kLookups; ++i) {
    sum += ring.Primary(SlotOf(TokenOf(keys[i % kKeys]), ring.slots())).value();
  }
  return sum;
}

void Run(Case& at, const Ring& ring) {
  std::atomic<int> ready{0};
  std::atomic<uint64_t> results{0};
  std::vector<double> cpu(static_cast<size_t>(at.threads));
  std::vector<double> elapsed(cpu.size());
  std::vector<std::thread> threads;
  for (size_t t = 0; t < cpu.size(); ++t) {
    threads.emplace_back([&, t] {
      const std::vector<std::string> keys = Keys(t + 1);
      std::optional<LoadBalancer::Picker> picker;
      if (at.balancer != nullptr && !at.pool) picker.emplace(*at.balancer);
      ++ready;
      while (ready < at.threads) std::this_thread::yield();
      const auto start = std::chrono::steady_clock::now();
      const double before = ThreadCpuSeconds();
      if (at.balancer == nullptr) {
        results += LookUpPrimaries(ring, keys);
      } else {
        results += picker ? LookUp(*picker, keys) : LookUp(*at.balancer, keys);
      }
      cpu[t] = ThreadCpuSeconds() - before;
      elapsed[t] = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    });
  }
  for (std::thread& thread : threads) thread.join();
  double sum = 0;
  for (double seconds : cpu) sum += seconds;
  const auto lookups = static_cast<double>(kLookups) * at.threads;
  at.ns.push_back(sum * 1e9 / lookups);
  at.millions_per_second.push_back(lookups / *std::max_element(elapsed.begin(), elapsed.end()) /
                                   1e6);
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[(values.size() - 1) / 2];
}

nlohmann::ordered_json ToJson(const std::vector<Case>& cases, int runs) {
  nlohmann::ordered_json json;
  json["servers"] = kServers;
  json["slots"] = kSlots;
  json["in_flight_per_thread"] = kInFlight;
  json["runs"] = runs;
  for (const Case& at : cases) {
    const auto [least, greatest] = std::minmax_element(at.ns.begin(), at.ns.end());
    json["cases"].push_back({{"name", at.name},
                             {"threads", at.threads},
                             {"ns_per_lookup", Median(at.ns)},
                             {"ns_per_lookup_min", *least},
                             {"ns_per_lookup_max", *greatest},
                             {"million_lookups_per_second", Median(at.millions_per_second)}});
  }
  return json;
}

int Main(int argc, char** argv) {
  CLI::App app("What a look-up of the load balancer costs, counting included.");
  int runs = 7;
  std::string json_file;
  app.add_option("--runs", runs, "runs of each case; the median counts")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--json", json_file, "write all figures to this file too");
  CLI11_PARSE(app, argc, argv);

  auto ring = std::make_shared<const Ring>(FormRing(Servers(), kReplicas, kSlots).value().next);
  std::vector<std::unique_ptr<LoadBalancer>> balancers;
  std::vector<Case> cases;
  for (int threads : {1, 2}) cases.push_back({"primary of a key, nothing counted", threads});
  for (Mode mode : {Mode::kAny, Mode::kRow}) {
    for (double bound : {0.0, 1.25}) {
      balancers.push_back(MakeBalancer(mode, bound, ring));
      for (bool pool : {false, true}) {
        const std::string name = std::string(mode == Mode::kAny ? "any" : "row") +
                                 (bound == 0 ? ", no bound" : ", bound 1.25") +
                                 (pool ? ", picker of the pool" : ", own picker");
        for (int threads : {1, 2}) cases.push_back({name, threads, balancers.back().get(), pool});
      }
    }
  }
  for (int run = 0; run < runs; ++run) {
    for (Case& at : cases) Run(at, *ring);
  }
  std::printf("%u servers, %u slots, %zu requests in flight a thread; medians of %d runs\n\n",
              kServers, kSlots, kInFlight, runs);
  std::printf("%-42s %7s %9s %19s %7s\n", "", "threads", "ns", "least - greatest", "M/s");
  for (const Case& at : cases) {
    const auto [least, greatest] = std::minmax_element(at.ns.begin(), at.ns.end());
    std::printf("%-42s %7d %9.1f %8.1f - %8.1f %7.1f\n", at.name.c_str(), at.threads, Median(at.ns),
                *least, *greatest, Median(at.millions_per_second));
  }
  if (json_file.empty()) return 0;
  std::ofstream file(json_file);
  file << ToJson(cases, runs).dump(1) << '\n';
  if (file.flush()) return 0;
  std::fprintf(stderr, "bench load_balancer: cannot write %s\n", json_file.c_str());
  return 1;
}

}  // namespace
}  // namespace ringkv::bench

int main(int argc, char** argv) { return ringkv::bench::Main(argc, argv); }
