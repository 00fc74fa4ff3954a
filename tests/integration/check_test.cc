// `kvctl admin check` on real processes: equal replicas, replicas that are not, and load; and the
// scrub, which finds what nobody reads.
#include <gtest/gtest.h>
#include <httplib.h>
#include <rocksdb/db.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/random.h"
#include "kvnode/instance_facts.h"
#include "kvnode/record_codec.h"
#include "kvnode/rocks_store.h"
#include "tests/client/kvctl_process.h"
#include "tests/integration/local_cluster.h"

namespace ringkv {
namespace {

using Json = nlohmann::json;
using std::chrono::seconds;

class CheckTest : public testing::Test {
 protected:
  explicit CheckTest(LocalClusterOptions options = {}) : cluster_(options) {}

  Json Check(int code) {
    const KvctlResult result =
        RunKvctl(cluster_.router_address(), {"-o", "json", "--timeout", "60s", "admin", "check"});
    EXPECT_EQ(result.code, code) << result.out << result.err;
    return Json::parse(result.out, nullptr, false);
  }

  // Checks until the answer fits.
  bool Eventually(const std::function<bool(const Json&)>& fits) {
    const auto deadline = std::chrono::steady_clock::now() + seconds(60);
    std::string last;
    while (std::chrono::steady_clock::now() < deadline) {
      const KvctlResult result =
          RunKvctl(cluster_.router_address(), {"-o", "json", "--timeout", "30s", "admin", "check"});
      const Json check = Json::parse(result.out, nullptr, false);
      if (check.is_object() && check.contains("all_equal") && fits(check)) return true;
      last = result.out + result.err;
    }
    ADD_FAILURE() << last;
    return false;
  }

  bool Until(const std::function<bool()>& holds) {
    return cluster_.WaitFor([&](const v1::GetClusterResponse&) { return holds(); });
  }
  bool Says(const std::string& id, const std::string& text) const {
    return cluster_.Log(id).find(text) != std::string::npos;
  }

  void PutSome(int keys, size_t bytes) {
    auto client = cluster_.NewClient();
    Random random(3);
    for (int i = 0; i < keys; ++i) {
      std::string value;
      while (value.size() < bytes) value.push_back(static_cast<char>('a' + random.Below(26)));
      ASSERT_TRUE(client->Put("k" + std::to_string(i), value).status.ok());
    }
  }

  bool WaitWhole() {
    return cluster_.WaitFor([](const v1::GetClusterResponse& status) {
      for (const v1::NodeStatus& node : status.nodes()) {
        if (node.behind_keys() > 0) return false;
      }
      return status.slot_health().total() > 0 &&
             status.slot_health().fully_replicated() == status.slot_health().total();
    });
  }

  // Changes a disk behind its node's back, while that is stopped.
  void Tamper(int node, const std::function<void(RocksStore&)>& change) {
    ASSERT_EQ(cluster_.node(node).Stop(), 0);
    {
      auto store = RocksStore::Open(cluster_.NodeDir(node) + "/db", {});
      ASSERT_TRUE(store.ok()) << store.status().ToString();
      change(**store);
      ASSERT_TRUE((*store)->Close().ok());
    }
    cluster_.node(node).Start();
    ASSERT_TRUE(cluster_.WaitAllUp());
    ASSERT_TRUE(WaitWhole());
  }

  // Where the key lies on the disk, and what is there.
  static RecordKey Find(RocksStore& store, const std::string& key, v1::Record* record) {
    const auto facts = ReadInstanceFacts(store);
    EXPECT_TRUE(facts.ok());
    for (const InstanceFact& instance : *facts) {
      const RecordKey name{instance.name.slot, instance.name.inc, key};
      RecordLookup found;
      store.MultiGet({&name, 1}, {&found, 1});
      if (!found.found) continue;
      *record = found.record;
      return name;
    }
    ADD_FAILURE() << key << " is not there";
    return {};
  }

  LocalCluster cluster_;
};

TEST_F(CheckTest, FindsEqualReplicasEqualAlsoAfterDeletesAndRestarts) {
  ASSERT_TRUE(cluster_.Start());
  PutSome(500, 100);
  auto client = cluster_.NewClient();
  for (int i = 0; i < 500; i += 5) {
    ASSERT_TRUE(client->Delete("k" + std::to_string(i)).status.ok());
  }
  ASSERT_TRUE(WaitWhole());
  Json check = Check(0);
  EXPECT_EQ(check["all_equal"], true);
  EXPECT_EQ(check["records"], "500") << "tombstones are records";
  EXPECT_EQ(check["slots"]["equal"], "256");

  cluster_.node(2).Kill();
  ASSERT_TRUE(cluster_.WaitReach(2, v1::REACH_DOWN));
  ASSERT_TRUE(client->Put("while n2 is away", "v").status.ok());
  check = Check(1);
  EXPECT_EQ(check["slots"]["not_fully_compared"], "256");
  EXPECT_EQ(check["findings"], Json::array());
  EXPECT_EQ(check["uncompared"][0]["node"], "n2");
  EXPECT_EQ(check["uncompared"][0]["why"], "it cannot be reached");
  cluster_.node(2).Start();
  ASSERT_TRUE(cluster_.WaitAllUp());
  EXPECT_TRUE(Eventually([](const Json& again) { return again["all_equal"] == true; }));
}

// Versions and checksums are right, and a byte of the value is not.
TEST_F(CheckTest, NamesTheRecordOfWhichOneByteDiffersInOneReplica) {
  ASSERT_TRUE(cluster_.Start());
  PutSome(100, 100);
  ASSERT_TRUE(WaitWhole());
  Tamper(2, [](RocksStore& store) {
    v1::Record record;
    const RecordKey name = Find(store, "k42", &record);
    (*record.mutable_value())[50] ^= 1;
    StoreBatch batch;
    batch.PutRecord(name, record);
    ASSERT_TRUE(store.Write(batch, true).ok());
  });
  const Json check = Check(1);
  ASSERT_EQ(check["findings"].size(), 1u) << check;
  const Json& finding = check["findings"][0];
  EXPECT_EQ(finding["kind"], "different");
  EXPECT_EQ(finding["key"], "k42");
  std::map<std::string, Json> copies;
  for (const Json& copy : finding["copies"]) copies[copy["node"]] = copy;
  EXPECT_EQ(copies["n1"]["version"], copies["n2"]["version"]);
  EXPECT_EQ(copies["n1"]["digest"], copies["n3"]["digest"]);
  EXPECT_NE(copies["n1"]["digest"], copies["n2"]["digest"]);
  const KvctlResult text = RunKvctl(cluster_.router_address(), {"admin", "check"});
  EXPECT_EQ(text.code, 1);
  EXPECT_NE(text.out.find("different: slot"), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("key k42"), std::string::npos) << text.out;
}

// Writers that never pause, and a node that dies and comes back: replicas are behind at times, and
// never called different.
TEST_F(CheckTest, RaisesNoFalseAlarmUnderLoad) {
  ASSERT_TRUE(cluster_.Start());
  std::atomic<bool> stop{false};
  std::vector<std::thread> writers;
  for (int writer = 0; writer < 16; ++writer) {
    writers.emplace_back([&, writer] {
      auto client = cluster_.NewClient();
      Random random(static_cast<uint64_t>(writer));
      while (!stop) {
        const std::string key = "k" + std::to_string(random.Below(40));
        if (random.Chance(0.1)) {
          (void)client->Delete(key);
        } else if (random.Chance(0.2)) {
          (void)client->Increment("n" + key, 1);
        } else {
          (void)client->Put(key, std::to_string(random.Next()));
        }
      }
    });
  }
  uint64_t looked_at = 0, checks = 0;
  auto look = [&] {
    const KvctlResult result =
        RunKvctl(cluster_.router_address(), {"-o", "json", "--timeout", "60s", "admin", "check"});
    const Json check = Json::parse(result.out, nullptr, false);
    ASSERT_TRUE(check.is_object() && check.contains("findings")) << result.out << result.err;
    ++checks;
    looked_at += std::stoull(check["keys_looked_at"].get<std::string>());
    for (const Json& finding : check["findings"]) {
      EXPECT_NE(finding["kind"], "different") << finding;
      EXPECT_NE(finding["kind"], "unreadable") << finding;
    }
  };
  // Until something was on its way when it was compared.
  const auto deadline = std::chrono::steady_clock::now() + seconds(60);
  while (looked_at < 5 && std::chrono::steady_clock::now() < deadline) look();
  EXPECT_GE(looked_at, 5u) << "in " << checks << " checks";
  cluster_.node(3).Kill();
  for (int i = 0; i < 3; ++i) look();
  cluster_.node(3).Start();
  for (int i = 0; i < 10; ++i) look();
  stop = true;
  for (std::thread& writer : writers) writer.join();
  ASSERT_TRUE(cluster_.WaitAllUp());
  EXPECT_TRUE(Eventually([](const Json& check) { return check["all_equal"] == true; }));
}

// Flips the last byte of the stored record, a byte of the value, as a disk might.
void FlipByteOf(const std::string& database, const std::string& key) {
  rocksdb::DB* opened = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  ASSERT_TRUE(rocksdb::DB::Open(rocksdb::DBOptions(), database, {{"default", {}}, {"records", {}}},
                                &handles, &opened)
                  .ok());
  const std::unique_ptr<rocksdb::DB> db(opened);
  bool flipped = false;
  {
    const std::unique_ptr<rocksdb::Iterator> it(
        db->NewIterator(rocksdb::ReadOptions(), handles[1]));
    for (it->SeekToFirst(); it->Valid() && !flipped; it->Next()) {
      if (it->key().ToString().substr(kStoreKeyPrefixBytes) != key) continue;
      std::string bytes = it->value().ToString();
      bytes.back() ^= 1;
      flipped = db->Put(rocksdb::WriteOptions(), handles[1], it->key(), bytes).ok();
    }
  }
  for (rocksdb::ColumnFamilyHandle* handle : handles) {
    ASSERT_TRUE(db->DestroyColumnFamilyHandle(handle).ok());
  }
  ASSERT_TRUE(db->Close().ok());
  ASSERT_TRUE(flipped) << key << " is not there";
}

double Metric(const std::string& address, const std::string& name) {
  const size_t colon = address.rfind(':');
  httplib::Client client(address.substr(0, colon), std::stoi(address.substr(colon + 1)));
  const auto answer = client.Get("/metrics");
  if (!answer) return -1;
  const size_t at = answer->body.find("\n" + name + " ");
  return at == std::string::npos ? -1 : std::stod(answer->body.substr(at + name.size() + 2));
}

TEST_F(CheckTest, NamesAnUnreadableRecordWhichIsThenMended) {
  ASSERT_TRUE(cluster_.Start());
  PutSome(100, 100);
  ASSERT_TRUE(WaitWhole());
  ASSERT_EQ(cluster_.node(2).Stop(), 0);
  FlipByteOf(cluster_.NodeDir(2) + "/db", "k42");
  cluster_.node(2).Start();
  ASSERT_TRUE(cluster_.WaitAllUp());
  ASSERT_TRUE(WaitWhole());
  const Json check = Check(1);
  ASSERT_EQ(check["findings"].size(), 1u) << check;
  EXPECT_EQ(check["findings"][0]["kind"], "unreadable");
  EXPECT_EQ(check["findings"][0]["key"], "k42");
  for (const Json& copy : check["findings"][0]["copies"]) {
    EXPECT_EQ(copy["state"], copy["node"] == "n2" ? "unreadable" : "holds") << copy;
  }
  EXPECT_TRUE(Eventually([](const Json& again) { return again["all_equal"] == true; }));
}

class ScrubTest : public CheckTest {
 protected:
  static LocalClusterOptions Options() {
    LocalClusterOptions options;
    options.node_arguments = {"--scrub", "2s"};
    return options;
  }
  ScrubTest() : CheckTest(Options()) {}
};

// A byte in the first half of a table file, of a block: of records in the largest file, of what the
// node knows of itself in the smallest.
enum class Table { kLargest, kSmallest };
void DamageATable(const std::string& database, Table which) {
  std::filesystem::path chosen;
  for (const auto& file : std::filesystem::directory_iterator(database)) {
    if (file.path().extension() != ".sst") continue;
    const bool better = chosen.empty() || (file.file_size() > std::filesystem::file_size(chosen)) ==
                                              (which == Table::kLargest);
    if (better) chosen = file.path();
  }
  ASSERT_FALSE(chosen.empty());
  std::fstream file(chosen, std::ios::in | std::ios::out | std::ios::binary);
  const auto at = static_cast<std::streamoff>(std::filesystem::file_size(chosen) / 3);
  file.seekg(at);
  const char was = static_cast<char>(file.get());
  file.seekp(at);
  file.put(static_cast<char>(was ^ 0x40));
  ASSERT_TRUE(file.good());
}

// How many directories beside the node's are disks that were moved aside.
int MovedAside(const std::string& node_dir) {
  const std::filesystem::path dir(node_dir);
  int count = 0;
  for (const auto& other : std::filesystem::directory_iterator(dir.parent_path())) {
    if (other.path().filename().string().starts_with(dir.filename().string() + ".aside-")) ++count;
  }
  return count;
}

// It hides keys, and cannot be mended where it lies: the node starts over with an empty disk, as
// soon as nobody needs what can still be read on this one.
TEST_F(ScrubTest, DiskWithADamagedBlockIsReplacedOnceTheOthersCanDoWithout) {
  ASSERT_TRUE(cluster_.Start());
  PutSome(400, 1'000);
  ASSERT_TRUE(WaitWhole());
  cluster_.node(3).Kill();
  ASSERT_TRUE(cluster_.WaitReach(3, v1::REACH_DOWN));
  ASSERT_EQ(cluster_.node(2).Stop(), 0);
  DamageATable(cluster_.NodeDir(2) + "/db", Table::kLargest);
  cluster_.node(2).Start();
  ASSERT_TRUE(cluster_.WaitReach(2, v1::REACH_UP));
  const pid_t pid = cluster_.node(2).pid();
  ASSERT_TRUE(Until([&] { return Says("n2", "replaced by an empty one later"); }))
      << cluster_.Log("n2");
  EXPECT_EQ(Metric(cluster_.node_http(2), "ringkv_disk_damaged"), 1);
  EXPECT_EQ(MovedAside(cluster_.NodeDir(2)), 0) << "n3 is away";
  cluster_.node(3).Start();
  ASSERT_TRUE(Until([&] { return MovedAside(cluster_.NodeDir(2)) == 1; })) << cluster_.Log("n2");
  ASSERT_TRUE(cluster_.WaitAllUp());
  ASSERT_TRUE(WaitWhole()) << cluster_.Log("n2");
  EXPECT_EQ(cluster_.node(2).pid(), pid);
  EXPECT_EQ(Metric(cluster_.node_http(2), "ringkv_disk_damaged"), 0);
  Check(0);
  auto client = cluster_.NewClient();
  for (int i = 0; i < 400; ++i) {
    const auto got = client->Get("k" + std::to_string(i));
    ASSERT_TRUE(got.status.ok());
    EXPECT_EQ(got.value.size(), 1'000u) << i;
  }
  EXPECT_EQ(cluster_.node(2).Stop(), 0);
}

// It never comes to serve with that disk.
TEST_F(CheckTest, DiskWhoseNodeCannotReadWhatItKnowsOfItselfIsReplacedToo) {
  ASSERT_TRUE(cluster_.Start());
  PutSome(400, 1'000);
  ASSERT_TRUE(WaitWhole());
  ASSERT_EQ(cluster_.node(2).Stop(), 0);
  DamageATable(cluster_.NodeDir(2) + "/db", Table::kSmallest);
  cluster_.node(2).Start();
  ASSERT_TRUE(Until([&] { return MovedAside(cluster_.NodeDir(2)) == 1; })) << cluster_.Log("n2");
  EXPECT_TRUE(Says("n2", "disk failed")) << cluster_.Log("n2");
  ASSERT_TRUE(cluster_.WaitAllUp());
  ASSERT_TRUE(WaitWhole()) << cluster_.Log("n2");
  Check(0);
}

class KeptDiskTest : public CheckTest {
 protected:
  static LocalClusterOptions Options() {
    LocalClusterOptions options;
    options.node_arguments = {"--scrub", "2s", "--damaged-disk", "keep"};
    return options;
  }
  KeptDiskTest() : CheckTest(Options()) {}
};

TEST_F(KeptDiskTest, IsLeftToAnOperatorWhoIsTold) {
  ASSERT_TRUE(cluster_.Start());
  PutSome(400, 1'000);
  ASSERT_TRUE(WaitWhole());
  ASSERT_EQ(cluster_.node(2).Stop(), 0);
  DamageATable(cluster_.NodeDir(2) + "/db", Table::kLargest);
  cluster_.node(2).Start();
  ASSERT_TRUE(cluster_.WaitAllUp());
  EXPECT_TRUE(Eventually([](const Json& check) {
    for (const Json& finding : check["findings"]) {
      if (finding["kind"] == "unreadable") return true;
    }
    return false;
  }));
  EXPECT_TRUE(Until([&] { return Says("n2", "kept as `damaged-disk` says"); }))
      << cluster_.Log("n2");
  EXPECT_EQ(Metric(cluster_.node_http(2), "ringkv_disk_damaged"), 1);
  EXPECT_EQ(MovedAside(cluster_.NodeDir(2)), 0);
}

// Nobody reads the key: not a client, not a check.
TEST_F(ScrubTest, FindsDamageThatNobodyReadsAndItIsMended) {
  ASSERT_TRUE(cluster_.Start());
  PutSome(100, 100);
  ASSERT_TRUE(WaitWhole());
  ASSERT_EQ(cluster_.node(2).Stop(), 0);
  FlipByteOf(cluster_.NodeDir(2) + "/db", "k42");
  cluster_.node(2).Start();
  ASSERT_TRUE(Until([&] {
    return Metric(cluster_.node_http(2), "ringkv_scrub_mended_total") >= 1;
  })) << "it was not mended";
  EXPECT_EQ(Metric(cluster_.node_http(2), "ringkv_scrub_unreadable_found_total"), 1);
  EXPECT_EQ(Metric(cluster_.node_http(2), "ringkv_scrub_unreadable_records"), 0);
  EXPECT_GT(Metric(cluster_.node_http(1), "ringkv_scrub_records_total"), 0);
  EXPECT_TRUE(Says("n2", "its owner is told"));
  EXPECT_TRUE(WaitWhole());
  Check(0);
}

}  // namespace
}  // namespace ringkv
