// What only RocksStore has: files, processes that die, durability. What both stores do is in
// store_test.cc. Tests with a process that dies run this program again as the child.
#include "kvnode/rocks_store.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <map>
#include <thread>

#include "migration/version_proto.h"
#include "tests/kvnode/records.h"
#include "tests/kvnode/temp_dir.h"

namespace ringkv {
namespace {

constexpr char kDirVariable[] = "RINGKV_STORE_TEST_DIR";

RocksOptions OsDurability() {
  RocksOptions options;
  options.durability = Durability::kOs;
  options.memtable_bytes = 16 << 20;
  return options;
}

std::unique_ptr<RocksStore> MustOpen(const std::string& path,
                                     const RocksOptions& options = OsDurability()) {
  auto store = RocksStore::Open(path, options);
  EXPECT_TRUE(store.ok()) << store.status().ToString();
  return store.ok() ? std::move(store).value() : nullptr;
}

bool WaitFor(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

// A child that runs the disabled test `Child.DISABLED_<name>` of this program over `dir`, and whose
// standard output is read here. A fresh program, since RocksDB's threads do not survive a fork.
class Child {
 public:
  Child(const std::string& name, const std::string& dir) {
    int pipe_ends[2];
    if (::pipe(pipe_ends) != 0) std::abort();
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(pipe_ends[1], STDOUT_FILENO);
      ::close(pipe_ends[0]);
      ::close(pipe_ends[1]);
      ::setenv(kDirVariable, dir.c_str(), 1);
      const std::string filter = "--gtest_filter=Child.DISABLED_" + name;
      ::execl("/proc/self/exe", "child", filter.c_str(), "--gtest_also_run_disabled_tests",
              nullptr);
      ::_exit(127);
    }
    ::close(pipe_ends[1]);
    output_ = ::fdopen(pipe_ends[0], "r");
  }
  ~Child() {
    if (!reaped_) Kill();
    std::fclose(output_);
  }

  // The next line that starts with "> ", without that; empty at the end of the output.
  std::string NextLine() {
    char line[512];
    while (std::fgets(line, sizeof line, output_) != nullptr) {
      std::string text(line);
      if (text.starts_with("> ")) return text.substr(2, text.find('\n') - 2);
    }
    return "";
  }

  void Kill() {
    ::kill(pid_, SIGKILL);
    Wait();
  }
  void Wait() {
    int ignored;
    ::waitpid(pid_, &ignored, 0);
    reaped_ = true;
  }

 private:
  pid_t pid_ = -1;
  bool reaped_ = false;
  FILE* output_ = nullptr;
};

void Say(const std::string& text) {
  const std::string line = "> " + text + "\n";
  (void)!::write(STDOUT_FILENO, line.data(), line.size());
}

std::string ChildDir() {
  const char* dir = std::getenv(kDirVariable);
  return dir == nullptr ? "" : dir;
}

// Batch i writes the record "k<i>", the record "last" and the meta entry "last".
void WriteBatch(Store& store, int i, bool sync = false) {
  const v1::Record record = MakeRecord(1, std::to_string(i));
  const std::string key = "k" + std::to_string(i);
  StoreBatch batch;
  batch.PutRecord(Key(key), record);
  batch.PutRecord(Key("last", 9), record);
  batch.PutMeta("last", std::to_string(i));
  const Status status = store.Write(batch, sync);
  ASSERT_TRUE(status.ok()) << status.ToString();
}

// How many batches the store holds; fails unless they are batches 1 to n, each whole.
int CheckPrefix(Store& store) {
  const Result<std::string> meta = store.GetMeta("last");
  const int count = meta.ok() ? std::stoi(*meta) : 0;
  for (int i = 1; i <= count + 20; ++i) {
    const std::string value = ValueOf(store, Key("k" + std::to_string(i)));
    EXPECT_EQ(value, i <= count ? std::to_string(i) : "(absent)");
  }
  EXPECT_EQ(ValueOf(store, Key("last", 9)), count == 0 ? "(absent)" : std::to_string(count));
  return count;
}

TEST(Child, DISABLED_WritesUntilKilled) {
  auto store = MustOpen(ChildDir());
  for (int i = 1;; ++i) {
    WriteBatch(*store, i);
    Say(std::to_string(i));
  }
}

TEST(Child, DISABLED_WritesAndExitsUncleanly) {
  auto store = MustOpen(ChildDir());
  for (int i = 1; i <= 500; ++i) WriteBatch(*store, i);
  ::_exit(0);
}

TEST(Child, DISABLED_HoldsTheLock) {
  auto store = MustOpen(ChildDir());
  Say("open");
  ::pause();
}

// The largest size of a file stands in for a full disk.
TEST(Child, DISABLED_MeetsAFullDisk) {
  ::signal(SIGXFSZ, SIG_IGN);
  auto store = MustOpen(ChildDir());
  WriteBatch(*store, 1);
  rlimit limit{1 << 20, RLIM_INFINITY};
  ::setrlimit(RLIMIT_FSIZE, &limit);
  const v1::Record record = MakeRecord(1, std::string(100'000, 'v'));
  Status status;
  for (int i = 0; i < 100 && status.ok(); ++i) {
    StoreBatch batch;
    batch.PutRecord(Key("large"), record);
    status = store->Write(batch, false);
  }
  limit.rlim_cur = RLIM_INFINITY;
  ::setrlimit(RLIMIT_FSIZE, &limit);
  Say(std::string(StatusCodeName(status.code())));
  Say(ValueOf(*store, Key("k1")));
  Say(std::string(StatusCodeName(store->Write(StoreBatch(), true).code())));
  Say(std::string(StatusCodeName(store->Health().code())));
  Say(std::string(StatusCodeName(store->Close().code())));
}

TEST(RocksStore, AKilledProcessLosesNothingThatWasAcknowledged) {
  TempDir dir;
  int acknowledged = 0;
  for (int round = 0; round < 3; ++round) {
    const std::string path = dir.Sub("db" + std::to_string(round));
    Child child("WritesUntilKilled", path);
    while (acknowledged < 300 * (round + 1)) acknowledged = std::stoi("0" + child.NextLine());
    child.Kill();
    auto store = MustOpen(path);
    ASSERT_NE(store, nullptr);
    EXPECT_GE(CheckPrefix(*store), acknowledged);
  }
}

TEST(RocksStore, AnUncleanExitLosesNothing) {
  TempDir dir;
  Child child("WritesAndExitsUncleanly", dir.Sub("db"));
  child.Wait();
  auto store = MustOpen(dir.Sub("db"));
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(CheckPrefix(*store), 500);
  EXPECT_FALSE(store->recovery().log_damaged) << store->recovery().detail;
}

TEST(RocksStore, ADamagedLogIsReportedAndOneThatOnlyEndsEarlyIsNot) {
  TempDir dir;
  { Child(std::string("WritesAndExitsUncleanly"), dir.Sub("db")).Wait(); }
  const auto logs = FilesWithExtension(dir.Sub("db"), ".log");
  ASSERT_EQ(logs.size(), 1u);
  const std::string whole = ReadWholeFile(logs[0]);
  Random random(21);
  for (int round = 0; round < 12; ++round) {
    const std::string copy = dir.Sub("copy" + std::to_string(round));
    std::filesystem::copy(dir.Sub("db"), copy);
    std::string bytes = whole;
    if (round % 2 == 0) {
      bytes.resize(random.Below(bytes.size()));
    } else {
      // Not in the log's last block: there a flipped length looks like a torn end.
      bytes[random.Below(bytes.size() - 32 * 1024)] ^= 0x10;
    }
    WriteWholeFile(std::filesystem::path(copy) / logs[0].filename(), bytes);
    auto store = MustOpen(copy);
    ASSERT_NE(store, nullptr);
    EXPECT_LT(CheckPrefix(*store), 500);
    // A log that only ends early is what a process leaves that dies while it writes.
    EXPECT_EQ(store->recovery().log_damaged, round % 2 == 1) << "round " << round;
  }
}

TEST(RocksStore, RefusesADirectoryThatAnotherProcessUses) {
  TempDir dir;
  Child child("HoldsTheLock", dir.Sub("db"));
  ASSERT_EQ(child.NextLine(), "open");
  const auto second = RocksStore::Open(dir.Sub("db"), OsDurability());
  EXPECT_EQ(second.status().code(), StatusCode::kRefused) << second.status().ToString();
  EXPECT_NE(second.status().message().find("in use"), std::string::npos);
  child.Kill();
  EXPECT_NE(MustOpen(dir.Sub("db")), nullptr);
}

TEST(RocksStore, RefusesADirectoryThatThisProcessUses) {
  TempDir dir;
  auto first = MustOpen(dir.Sub("db"));
  EXPECT_EQ(RocksStore::Open(dir.Sub("db"), OsDurability()).status().code(), StatusCode::kRefused);
}

TEST(RocksStore, RefusesPathsAndOptionsThatCannotWork) {
  TempDir dir;
  WriteWholeFile(dir.Sub("file"), "x");
  for (std::string path : {"file", "file/below"}) {
    const auto opened = RocksStore::Open(dir.Sub(path), OsDurability());
    EXPECT_EQ(opened.status().code(), StatusCode::kInvalidArgument) << opened.status().ToString();
  }
  EXPECT_NE(MustOpen(dir.Sub("made/with/parents")), nullptr);
  RocksOptions bad;
  bad.sync_interval_ms = 0;
  EXPECT_EQ(RocksStore::Open(dir.Sub("db"), bad).status().code(), StatusCode::kInvalidArgument);
  bad = {};
  bad.memtable_bytes = 1;
  EXPECT_EQ(RocksStore::Open(dir.Sub("db"), bad).status().code(), StatusCode::kInvalidArgument);
  EXPECT_FALSE(std::filesystem::exists(dir.Sub("db")));
}

TEST(RocksStore, EveryDamagedByteOfATableIsAnErrorAndNeverAbsence) {
  TempDir dir;
  Random random(22);
  std::vector<std::string> values;
  {
    auto store = MustOpen(dir.Sub("db"));
    for (int i = 0; i < 40; ++i) {
      values.push_back(RandomBytes(random, i == 0 ? 6000 : 100));  // the first goes to a blob file
      PutValue(*store, Key("k" + std::to_string(i)), values.back());
    }
  }
  int met = 0;
  for (int round = 0; round < 25; ++round) {
    const std::string copy = dir.Sub("copy" + std::to_string(round));
    std::filesystem::copy(dir.Sub("db"), copy);
    for (const char* extension : {".sst", ".blob"}) {
      for (const auto& path : FilesWithExtension(copy, extension)) {
        std::string bytes = ReadWholeFile(path);
        bytes[random.Below(bytes.size())] ^= static_cast<char>(1 << random.Below(8));
        WriteWholeFile(path, bytes);
      }
    }
    auto opened = RocksStore::Open(copy, OsDurability());
    if (!opened.ok()) {
      EXPECT_EQ(opened.status().code(), StatusCode::kCorruption) << opened.status().ToString();
      continue;
    }
    bool damaged = false;
    for (size_t i = 0; i < values.size(); ++i) {
      const std::string value = ValueOf(**opened, Key("k" + std::to_string(i)));
      EXPECT_TRUE(value == values[i] || value == "corruption")
          << "round " << round << ": " << value;
      damaged = damaged || value == "corruption";
    }
    // Blocks have checksums of their own, so that it is never a record's that shows it.
    EXPECT_EQ((*opened)->Damage().code(), damaged ? StatusCode::kCorruption : StatusCode::kOk);
    met += damaged ? 1 : 0;
  }
  EXPECT_GT(met, 0);
}

// ---- scans for what is above a version ----

void PutVersion(RocksStore& store, const std::string& key, Version version) {
  v1::Record record;
  ToProto(version, record.mutable_version());
  record.set_value("v" + version.ToString());
  StoreBatch batch;
  batch.PutRecord(Key(key), record);
  EXPECT_TRUE(store.Write(batch, /*sync=*/false).ok());
}

// Key and version of each record, those at or below `least` left out; `returned`: how many came.
std::map<std::string, Version> VersionsAbove(RocksStore& store, Version above, Version least,
                                             size_t* returned) {
  ScanLimits limits;
  limits.max_entries = 1'000'000;
  limits.above = above;
  const RecordKey any = Key("k");
  const auto page = store.Scan(any.slot, any.inc, "", "", limits);
  EXPECT_TRUE(page.ok() && page->complete);
  std::map<std::string, Version> versions;
  *returned = page->entries.size();
  for (const StoredEntry& entry : page->entries) {
    const Version version = FromProto(entry.record.version());
    if (version > least) versions[entry.key] = version;
  }
  return versions;
}

// Each opening makes table files of what the last one wrote; compactions mix them.
TEST(RocksStore, ScanAboveAVersionFindsAllThatIsAboveAndPassesOldFilesBy) {
  TempDir dir;
  Random random(8);
  uint64_t seq = 0;
  size_t all = 0, left_out = 0;
  for (int round = 0; round < 40; ++round) {
    auto store = MustOpen(dir.Sub("db"));
    for (int i = 0; i < 200; ++i) {
      const std::string key = "k" + std::to_string(random.Below(1'000));
      if (random.Chance(0.02)) {
        StoreBatch batch;  // collected: it was below every W that is asked for later
        batch.EraseRecord(Key("old" + std::to_string(random.Below(50))));
        EXPECT_TRUE(store->Write(batch, false).ok());
      }
      PutVersion(*store, key, {Term(3), ++seq});
    }
    for (uint64_t back : {uint64_t{0}, random.Below(seq), seq / 2, seq - 1, seq}) {
      const Version above{Term(3), seq - back};
      size_t with = 0, without = 0;
      const auto fast = VersionsAbove(*store, above, above, &with);
      const auto slow = VersionsAbove(*store, {}, above, &without);
      ASSERT_EQ(fast, slow) << "round " << round << ", above " << above.ToString();
      all += without;
      left_out += without - with;
    }
  }
  EXPECT_GT(left_out, all / 10);
}

TEST(RocksStore, FileWithLargeValuesIsNotPassedBy) {
  TempDir dir;
  v1::Record record;
  ToProto(Version{Term(3), 1}, record.mutable_version());
  record.set_value(std::string(OsDurability().blob_min_bytes + 1, 'v'));
  StoreBatch batch;
  batch.PutRecord(Key("large"), record);
  ASSERT_TRUE(MustOpen(dir.Sub("db"))->Write(batch, false).ok());
  auto store = MustOpen(dir.Sub("db"));
  size_t returned = 0;
  VersionsAbove(*store, {Term(2), 9}, {}, &returned);
  EXPECT_EQ(returned, 1u);
}

// Why an instance remembers what was lowered in it: the file of the lower one is passed by, and
// that of the higher one is not.
TEST(RocksStore, ScanAboveAVersionMayFindWhatALowerOneHasReplaced) {
  TempDir dir;
  PutVersion(*MustOpen(dir.Sub("db")), "k", {Term(3), 9});
  PutVersion(*MustOpen(dir.Sub("db")), "k", {Term(3), 2});
  auto store = MustOpen(dir.Sub("db"));
  size_t returned = 0;
  EXPECT_EQ(VersionsAbove(*store, {}, {}, &returned).at("k"), (Version{Term(3), 2}));
  EXPECT_EQ(VersionsAbove(*store, {Term(3), 5}, {}, &returned).at("k"), (Version{Term(3), 9}));
}

TEST(RocksStore, AMissingTableIsAnErrorAtOpening) {
  TempDir dir;
  { PutValue(*MustOpen(dir.Sub("db")), Key("k"), "v"); }
  for (const auto& path : FilesWithExtension(dir.Sub("db"), ".sst")) std::filesystem::remove(path);
  const auto opened = RocksStore::Open(dir.Sub("db"), OsDurability());
  EXPECT_EQ(opened.status().code(), StatusCode::kCorruption) << opened.status().ToString();
}

TEST(RocksStore, RefusesEverythingAfterTheDiskFailed) {
  TempDir dir;
  {
    Child child("MeetsAFullDisk", dir.Sub("db"));
    for (int i = 0; i < 5; ++i) EXPECT_EQ(child.NextLine(), "i/o error") << "answer " << i;
    child.Wait();
  }
  auto store = MustOpen(dir.Sub("db"));  // with room again, it goes on
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(ValueOf(*store, Key("k1")), "1");
}

TEST(RocksStore, PeriodicDurabilitySyncsByItselfWhenSomethingWasWritten) {
  TempDir dir;
  RocksOptions options;
  options.sync_interval_ms = 5;
  auto store = MustOpen(dir.Sub("db"), options);
  const auto syncs = [&] { return store->Tickers()["wal_syncs_total"]; };
  for (int i = 1; i <= 3; ++i) {
    const double before = syncs();
    WriteBatch(*store, i);
    EXPECT_TRUE(WaitFor([&] { return syncs() > before; })) << "write " << i;
  }
}

TEST(RocksStore, SyncDurabilitySyncsEveryWriteAndOsOnlyWhenTold) {
  TempDir dir;
  RocksOptions options = OsDurability();
  options.durability = Durability::kSync;
  auto store = MustOpen(dir.Sub("sync"), options);
  for (int i = 1; i <= 5; ++i) WriteBatch(*store, i);
  EXPECT_GE(store->Tickers()["wal_syncs_total"], 5);
  store = MustOpen(dir.Sub("os"));
  for (int i = 1; i <= 5; ++i) WriteBatch(*store, i);
  EXPECT_EQ(store->Tickers()["wal_syncs_total"], 0);
  WriteBatch(*store, 6, /*sync=*/true);
  EXPECT_EQ(store->Tickers()["wal_syncs_total"], 1);
  ASSERT_TRUE(store->Sync().ok());
}

TEST(RocksStore, DroppingALargeInstanceGivesItsSpaceBack) {
  TempDir dir;
  auto store = MustOpen(dir.Sub("db"));
  Random random(23);
  for (uint64_t inc : {1, 2}) {
    for (int batch_number = 0; batch_number < 30; ++batch_number) {
      std::vector<std::string> keys;
      std::vector<v1::Record> records;
      for (int i = 0; i < 300; ++i) {
        keys.push_back("k" + std::to_string(batch_number * 1000 + i));
        records.push_back(MakeRecord(1, RandomBytes(random, 1000)));
      }
      StoreBatch batch;
      for (size_t i = 0; i < keys.size(); ++i) batch.PutRecord(Key(keys[i], 5, inc), records[i]);
      ASSERT_TRUE(store->Write(batch, false).ok());
    }
  }
  ASSERT_TRUE(store->Flush().ok());
  const uint64_t before = store->Stats().bytes;
  ASSERT_TRUE(store->DropInstance(SlotId(5), Incarnation(1)).ok());
  EXPECT_TRUE(WaitFor([&] { return store->Stats().bytes < before * 7 / 10; }))
      << before << " became " << store->Stats().bytes;
  EXPECT_EQ(store->Scan(SlotId(5), Incarnation(2), "", "", {})->entries.size(), 1000u);
}

TEST(RocksStore, ReportsTickersAndFreeSpace) {
  TempDir dir;
  auto store = MustOpen(dir.Sub("db"));
  WriteBatch(*store, 1);
  ASSERT_TRUE(store->Flush().ok());
  EXPECT_EQ(ValueOf(*store, Key("k1")), "1");
  const auto tickers = store->Tickers();
  EXPECT_GT(tickers.at("written_bytes_total"), 0);
  EXPECT_GT(tickers.at("block_cache_hits_total") + tickers.at("block_cache_misses_total"), 0);
  EXPECT_GT(tickers.at("sst_bytes"), 0);
  EXPECT_EQ(tickers.at("keys"), 2);
  EXPECT_GT(store->Stats().disk_free_bytes.value_or(0), 0u);
}

TEST(RocksStore, RefusesCallsAfterClose) {
  TempDir dir;
  auto store = MustOpen(dir.Sub("db"));
  ASSERT_TRUE(store->Close().ok());
  ASSERT_TRUE(store->Close().ok());
  EXPECT_EQ(store->Write(StoreBatch(), true).code(), StatusCode::kUnavailable);
  EXPECT_EQ(ValueOf(*store, Key("k")), "unavailable");
  EXPECT_EQ(store->EstimateSizes({}).status().code(), StatusCode::kUnavailable);
  EXPECT_TRUE(store->Tickers().empty());
}

TEST(Durability, ReadsBackItsNames) {
  for (std::string_view name : {"sync", "periodic", "os"}) {
    EXPECT_EQ(DurabilityName(*ParseDurability(name)), name);
  }
  EXPECT_EQ(ParseDurability("fsync").status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace ringkv
