// Load for tests with real processes, and what must be true of it afterwards.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/integration/local_cluster.h"

namespace ringkv {

// Writes unique keys, one after the other, until told to stop; remembers what was acknowledged and
// what failed.
class Writer {
 public:
  Writer(LocalCluster& cluster, std::string prefix)
      : client_(cluster.NewClient()), prefix_(std::move(prefix)), thread_([this] { Run(); }) {}
  ~Writer() { Stop(); }

  void Stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  size_t Acknowledged() {
    std::lock_guard lock(mutex_);
    return acknowledged_.size();
  }
  bool WaitForMore(size_t count) {
    size_t target = Acknowledged() + count;
    auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (Acknowledged() < target) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));  // between two looks
    }
    return true;
  }
  // After Stop.
  const std::set<std::string>& acknowledged() const { return acknowledged_; }
  const std::vector<std::string>& failures() const { return failures_; }

 private:
  void Run() {
    for (uint64_t number = 0; !stop_; ++number) {
      std::string key = prefix_ + std::to_string(number);
      Status put = client_->Put(key, "value of " + key).status;
      GetResult get;
      if (put.ok()) get = client_->Get(key);
      std::lock_guard lock(mutex_);
      if (put.ok()) {
        acknowledged_.insert(key);
        bool right = get.status.ok() && get.value == "value of " + key;
        if (!right) failures_.push_back("get " + key + ": " + get.status.ToString());
      } else {
        failures_.push_back("put " + key + ": " + put.ToString());
      }
    }
  }

  std::unique_ptr<Client> client_;
  const std::string prefix_;
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::set<std::string> acknowledged_;  // guarded by mutex_
  std::vector<std::string> failures_;   // guarded by mutex_
  std::thread thread_;                  // last: uses the above
};

inline void ExpectAllThere(LocalCluster& cluster, const std::set<std::string>& keys) {
  std::map<std::string, std::string> found;
  auto client = cluster.NewClient();
  Status scanned = client->Scan({}, [&](ScanEntry entry) {
    EXPECT_TRUE(found.emplace(entry.key, entry.value).second) << entry.key << " came twice";
    return true;
  });
  ASSERT_TRUE(scanned.ok()) << scanned.ToString();
  for (const std::string& key : keys) {
    auto at = found.find(key);
    ASSERT_TRUE(at != found.end()) << key << " was acknowledged and is gone";
    ASSERT_EQ(at->second, "value of " + key);
    GetResult get = client->Get(key);
    ASSERT_TRUE(get.status.ok()) << key << ": " << get.status.ToString();
    ASSERT_EQ(get.value, "value of " + key);
  }
}

inline bool FullyReplicated(const v1::GetClusterResponse& cluster) {
  return cluster.slot_health().fully_replicated() == cluster.slots();
}

}  // namespace ringkv
