// What every Store does (kvnode/store.h): one suite for the simulated store and for RocksDB, the
// latter with its data in the memtable and in table files.
#include "kvnode/store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <set>
#include <thread>

#include "base/limits.h"
#include "kvnode/memory_store.h"
#include "kvnode/record_codec.h"
#include "kvnode/rocks_store.h"
#include "tests/kvnode/records.h"
#include "tests/kvnode/temp_dir.h"

namespace ringkv {
namespace {

class MemoryTwin {
 public:
  Store& store() { return store_; }
  void Reopen() { store_.Crash(); }
  void Settle() {}
  void Damage(const RecordKey& key, std::string_view /*value*/) {
    ASSERT_TRUE(store_.CorruptRecord(key));
  }

 private:
  MemoryStore store_;
};

class RocksTwin {
 public:
  RocksTwin() { Open(); }
  Store& store() { return *store_; }
  void Settle() {}
  void Reopen() {
    ASSERT_TRUE(store_->Close().ok());
    Open();
  }
  void Damage(const RecordKey& /*key*/, std::string_view value) {
    ASSERT_TRUE(store_->Close().ok());
    ASSERT_TRUE(DamageWhere(dir_.Sub("db"), ".sst", value));
    Open();
  }

 protected:
  void Open() {
    RocksOptions options;
    options.durability = Durability::kOs;
    options.memtable_bytes = 32 << 20;
    auto opened = RocksStore::Open(dir_.Sub("db"), options);
    ASSERT_TRUE(opened.ok()) << opened.status().ToString();
    store_ = std::move(opened).value();
  }

  TempDir dir_;
  std::unique_ptr<RocksStore> store_;
};

class RocksOnDiskTwin : public RocksTwin {
 public:
  void Settle() { ASSERT_TRUE(store_->Flush().ok()); }
};

template <class Twin>
class StoreTest : public testing::Test {
 protected:
  Store& store() { return twin_.store(); }

  // Keys of an instance, by pages of `page` entries.
  std::vector<std::string> Keys(uint32_t slot, uint64_t inc, std::string_view prefix = "",
                                size_t page = 1000) {
    std::vector<std::string> keys;
    ScanLimits limits;
    limits.max_entries = page;
    while (true) {
      const auto result = store().Scan(SlotId(slot), Incarnation(inc),
                                       keys.empty() ? "" : keys.back(), prefix, limits);
      EXPECT_TRUE(result.ok()) << result.status().ToString();
      if (!result.ok()) return keys;
      EXPECT_LE(result->entries.size(), page);
      for (const StoredEntry& entry : result->entries) keys.push_back(entry.key);
      if (result->complete) return keys;
      EXPECT_FALSE(result->entries.empty());
    }
  }

  Twin twin_;
};

using Twins = testing::Types<MemoryTwin, RocksTwin, RocksOnDiskTwin>;
struct TwinNames {
  template <class Twin>
  static std::string GetName(int) {
    if (std::is_same_v<Twin, MemoryTwin>) return "Memory";
    return std::is_same_v<Twin, RocksTwin> ? "Rocks" : "RocksOnDisk";
  }
};
TYPED_TEST_SUITE(StoreTest, Twins, TwinNames);

using Strings = std::vector<std::string>;

TYPED_TEST(StoreTest, ABatchIsAppliedWhole) {
  Store& store = this->store();
  const v1::Record one = MakeRecord(1, "one");
  const v1::Record two = MakeRecord(2, "two");
  StoreBatch batch;
  batch.PutRecord(Key("a"), one);
  batch.PutRecord(Key("b", 8), two);
  batch.PutMeta("m", "x");
  ASSERT_TRUE(store.Write(batch, false).ok());
  this->twin_.Settle();
  EXPECT_EQ(ValueOf(store, Key("a")), "one");
  EXPECT_EQ(ValueOf(store, Key("b", 8)), "two");
  EXPECT_EQ(ValueOf(store, Key("b")), "(absent)");
  EXPECT_EQ(*store.GetMeta("m"), "x");
}

TYPED_TEST(StoreTest, LaterEntriesOfABatchWin) {
  Store& store = this->store();
  const v1::Record one = MakeRecord(1, "one");
  const v1::Record two = MakeRecord(2, "two");
  StoreBatch batch;
  batch.PutRecord(Key("put twice"), one);
  batch.PutRecord(Key("put twice"), two);
  batch.PutRecord(Key("put, erased"), one);
  batch.EraseRecord(Key("put, erased"));
  batch.EraseRecord(Key("erased, put"));
  batch.PutRecord(Key("erased, put"), two);
  batch.PutMeta("m", "1");
  batch.PutMeta("m", "2");
  batch.PutMeta("n", "1");
  batch.EraseMeta("n");
  ASSERT_TRUE(store.Write(batch, false).ok());
  EXPECT_EQ(ValueOf(store, Key("put twice")), "two");
  EXPECT_EQ(ValueOf(store, Key("put, erased")), "(absent)");
  EXPECT_EQ(ValueOf(store, Key("erased, put")), "two");
  EXPECT_EQ(*store.GetMeta("m"), "2");
  EXPECT_EQ(store.GetMeta("n").status().code(), StatusCode::kNotFound);
}

TYPED_TEST(StoreTest, ABatchWithABadKeyIsRefusedWhole) {
  const v1::Record record = MakeRecord(1, "v");
  const std::string too_long(kMaxKeyBytes + 1, 'k');
  for (const std::string& bad : {std::string(), too_long}) {
    StoreBatch batch;
    batch.PutRecord(Key("good"), record);
    batch.PutRecord(Key(bad), record);
    EXPECT_EQ(this->store().Write(batch, false).code(), StatusCode::kInvalidArgument);
  }
  StoreBatch nameless;
  nameless.PutMeta("", "x");
  EXPECT_EQ(this->store().Write(nameless, false).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(ValueOf(this->store(), Key("good")), "(absent)");
  EXPECT_TRUE(this->store().Write(StoreBatch(), true).ok());
}

TYPED_TEST(StoreTest, MetaIsListedByPrefixInOrder) {
  Store& store = this->store();
  StoreBatch batch;
  for (std::string name : {"promise/2", "promise/1", "promisf", "boot", "promise", "a"}) {
    batch.PutMeta(name, "of " + name);
  }
  batch.PutMeta("empty", "");
  batch.EraseMeta("not there");
  ASSERT_TRUE(store.Write(batch, true).ok());
  this->twin_.Settle();
  const auto promises = store.ListMeta("promise/");
  ASSERT_TRUE(promises.ok());
  using Pairs = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(*promises, (Pairs{{"promise/1", "of promise/1"}, {"promise/2", "of promise/2"}}));
  EXPECT_EQ(store.ListMeta("")->size(), 7u);
  EXPECT_TRUE(store.ListMeta("x")->empty());
  EXPECT_EQ(*store.GetMeta("empty"), "");
}

TYPED_TEST(StoreTest, MultiGetAnswersInOrderWithAbsentAndDuplicateKeys) {
  Store& store = this->store();
  for (int i = 0; i < 100; i += 2) {
    PutValue(store, Key("k" + std::to_string(i)), std::to_string(i));
  }
  this->twin_.Settle();
  Random random(11);
  std::vector<std::string> names;
  for (int i = 0; i < 300; ++i) names.push_back("k" + std::to_string(random.Below(100)));
  std::vector<RecordKey> keys;
  for (const std::string& name : names) keys.push_back(Key(name));
  std::vector<RecordLookup> out(keys.size());
  for (int round = 0; round < 2; ++round) {  // again with answers that were used before
    store.MultiGet(keys, out);
    for (size_t i = 0; i < keys.size(); ++i) {
      const int number = std::stoi(names[i].substr(1));
      ASSERT_TRUE(out[i].status.ok());
      ASSERT_EQ(out[i].found, number % 2 == 0) << names[i];
      if (out[i].found) {
        ASSERT_EQ(out[i].record.value(), std::to_string(number));
      }
    }
  }
  store.MultiGet({}, {});
}

TYPED_TEST(StoreTest, KeysMayHoldAnyBytesAndStartWithOneAnother) {
  Store& store = this->store();
  Strings keys;
  for (int byte = 0; byte < 256; ++byte) {
    keys.push_back(std::string(1, static_cast<char>(byte)));
    keys.push_back(std::string(2, static_cast<char>(byte)));
    keys.push_back(std::string(1, static_cast<char>(byte)) + '\0');
  }
  keys.push_back(std::string(kMaxKeyBytes, '\xff'));
  keys.push_back(std::string(kMaxKeyBytes, '\0'));
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  for (const std::string& key : keys) PutValue(store, Key(key), "of " + key);
  this->twin_.Settle();
  for (const std::string& key : keys) ASSERT_EQ(ValueOf(store, Key(key)), "of " + key);
  EXPECT_EQ(this->Keys(7, 3), keys);
  EXPECT_EQ(this->Keys(7, 3, "", 1), keys);
  EXPECT_EQ(this->Keys(7, 3, "\xff"),
            (Strings{"\xff", std::string("\xff\0", 2), "\xff\xff", std::string(4096, '\xff')}));
}

TYPED_TEST(StoreTest, KeepsEveryFieldOfARecord) {
  Store& store = this->store();
  v1::Record tombstone = MakeRecord(~0ull, "");
  tombstone.mutable_version()->set_term(~0u);
  tombstone.set_tombstone(true);
  tombstone.set_expires_at_ms(1);
  tombstone.mutable_request_id()->set_client(~0ull);
  tombstone.mutable_request_id()->set_number(5);
  PutOne(store, Key("gone"), tombstone);
  PutValue(store, Key("empty"), "");
  PutOne(store, Key("nothing"), v1::Record());
  this->twin_.Settle();
  const RecordLookup gone = GetOne(store, Key("gone"));
  ASSERT_TRUE(gone.found);
  EXPECT_EQ(gone.record.SerializeAsString(), tombstone.SerializeAsString());
  EXPECT_EQ(ValueOf(store, Key("empty")), "");
  EXPECT_TRUE(GetOne(store, Key("nothing")).found);
  EXPECT_EQ(this->Keys(7, 3), (Strings{"empty", "gone", "nothing"}));
}

TYPED_TEST(StoreTest, KeepsLargeValues) {
  Store& store = this->store();
  Random random(12);
  const std::string largest = RandomBytes(random, kMaxValueBytes);
  const std::string page = RandomBytes(random, 4096);
  PutValue(store, Key("largest"), largest);
  PutValue(store, Key("page"), page);
  this->twin_.Settle();
  EXPECT_TRUE(ValueOf(store, Key("largest")) == largest);
  EXPECT_TRUE(ValueOf(store, Key("page")) == page);
  ScanLimits limits;
  limits.max_bytes = 1000;
  auto result = store.Scan(SlotId(7), Incarnation(3), "", "", limits);
  ASSERT_TRUE(result.ok());
  ASSERT_EQ(result->entries.size(), 1u);  // the first comes in any case
  EXPECT_TRUE(result->entries[0].record.value() == largest);
  EXPECT_FALSE(result->complete);
  limits.keys_only = true;
  result = store.Scan(SlotId(7), Incarnation(3), "", "", limits);
  ASSERT_TRUE(result.ok());
  ASSERT_EQ(result->entries.size(), 2u);
  EXPECT_EQ(result->entries[0].record.value(), "");
  EXPECT_EQ(result->entries[0].record.version().seq(), 1u);
  EXPECT_TRUE(result->complete);
}

TYPED_TEST(StoreTest, ScanKeepsToLimitsAfterAndPrefix) {
  Store& store = this->store();
  Strings all;
  for (int i = 100; i < 150; ++i) all.push_back("k" + std::to_string(i));
  all.push_back("l1");
  for (const std::string& key : all) PutValue(store, Key(key), std::string(10, 'v'));
  this->twin_.Settle();
  EXPECT_EQ(this->Keys(7, 3), all);
  EXPECT_EQ(this->Keys(7, 3, "", 1), all);
  EXPECT_EQ(this->Keys(7, 3, "", 7), all);
  EXPECT_EQ(this->Keys(7, 3, "k11").size(), 10u);
  EXPECT_EQ(this->Keys(7, 3, "l"), Strings{"l1"});
  EXPECT_TRUE(this->Keys(7, 3, "m").empty());
  EXPECT_TRUE(this->Keys(7, 4).empty());

  const auto scan = [&](std::string_view after, std::string_view prefix, size_t bytes) {
    ScanLimits limits;
    limits.max_bytes = bytes;
    auto result = store.Scan(SlotId(7), Incarnation(3), after, prefix, limits);
    EXPECT_TRUE(result.ok());
    return std::move(result).value();
  };
  EXPECT_EQ(scan("", "", 3 * 14).entries.size(), 3u);
  EXPECT_EQ(scan("", "", 3 * 14 + 13).entries.size(), 3u);
  EXPECT_EQ(scan("k147", "k", 1000).entries.size(), 2u);
  EXPECT_TRUE(scan("k147", "k", 1000).complete);
  EXPECT_EQ(scan("k149", "k", 1000).entries.size(), 0u);  // after the last with the prefix
  EXPECT_EQ(scan("zzz", "k", 1000).entries.size(), 0u);
  EXPECT_EQ(scan("a", "k14", 1000).entries.size(), 10u);  // before the prefix
  EXPECT_FALSE(scan("", "k14", 9 * 14).complete);
  EXPECT_TRUE(scan("", "k14", 10 * 14).complete);  // a page that just fits says so
}

TYPED_TEST(StoreTest, InstancesDoNotSeeOneAnother) {
  const std::vector<std::pair<uint32_t, uint64_t>> instances = {
      {0, 1},       {0, 2},   {0, 255}, {0, 256},           {1, 1},           {255, 1},    {256, 1},
      {256, ~0ull}, {257, 0}, {257, 1}, {kMaxSlots - 1, 1}, {~0u, ~0ull - 1}, {~0u, ~0ull}};
  const auto name = [](auto instance) {
    return std::to_string(instance.first) + "/" + std::to_string(instance.second);
  };
  for (const auto& [slot, inc] : instances) {
    for (std::string_view key :
         {std::string_view("\0same", 5), std::string_view("same"), std::string_view("\xff\xff")}) {
      PutValue(this->store(), Key(key, slot, inc), name(std::pair(slot, inc)));
    }
    PutValue(this->store(), Key(name(std::pair(slot, inc)), slot, inc), "own");
  }
  this->twin_.Settle();
  for (size_t dropped = 0; dropped <= instances.size(); ++dropped) {
    for (size_t i = 0; i < instances.size(); ++i) {
      const auto& [slot, inc] = instances[i];
      const bool there = i >= dropped;
      ASSERT_EQ(ValueOf(this->store(), Key("same", slot, inc)),
                there ? name(instances[i]) : "(absent)");
      ASSERT_EQ(this->Keys(slot, inc).size(), there ? 4u : 0u) << name(instances[i]);
    }
    if (dropped == instances.size()) break;
    const auto& [slot, inc] = instances[dropped];
    ASSERT_TRUE(this->store().DropInstance(SlotId(slot), Incarnation(inc)).ok());
    if (dropped % 4 == 3) this->twin_.Reopen();
  }
}

TYPED_TEST(StoreTest, DroppingALargeInstanceTouchesNoOther) {
  Store* store = &this->store();
  constexpr int kLarge = 10'000;
  const v1::Record record = MakeRecord(1, std::string(200, 'v'));
  for (uint64_t inc : {1, 2, 3}) {
    for (int i = 0; i < kLarge; i += 1000) {
      std::vector<std::string> names;
      for (int k = i; k < i + 1000; ++k) names.push_back("key" + std::to_string(k));
      StoreBatch batch;
      for (const std::string& key : names) batch.PutRecord(Key(key, 5, inc), record);
      ASSERT_TRUE(store->Write(batch, false).ok());
      if (i % 4000 == 0) this->twin_.Settle();
    }
  }
  ASSERT_TRUE(store->DropInstance(SlotId(5), Incarnation(2)).ok());
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(this->Keys(5, 1).size(), static_cast<size_t>(kLarge));
    EXPECT_EQ(this->Keys(5, 2).size(), 0u);
    EXPECT_EQ(this->Keys(5, 3).size(), static_cast<size_t>(kLarge));
    EXPECT_EQ(ValueOf(*store, Key("key7", 5, 2)), "(absent)");
    EXPECT_EQ(ValueOf(*store, Key("key7", 5, 3)), record.value());
    this->twin_.Reopen();
    store = &this->store();
  }
  PutValue(*store, Key("key7", 5, 2), "anew");
  EXPECT_EQ(this->Keys(5, 2), Strings{"key7"});
}

TYPED_TEST(StoreTest, DroppingLargeValuesTouchesNoOther) {
  Store& store = this->store();
  const std::string value(1 << 20, 'v');
  for (int i = 0; i < 20; ++i) {
    PutValue(store, Key("k" + std::to_string(i), 5, 1), value);
  }
  PutValue(store, Key("k", 5, 2), value);
  this->twin_.Settle();
  ASSERT_TRUE(store.DropInstance(SlotId(5), Incarnation(1)).ok());
  EXPECT_TRUE(this->Keys(5, 1).empty());
  EXPECT_TRUE(ValueOf(store, Key("k", 5, 2)) == value);
}

TYPED_TEST(StoreTest, DamageIsCorruptionAndNeverAbsence) {
  Random random(13);
  const std::string value = RandomBytes(random, 300);
  PutValue(this->store(), Key("bad"), value);
  PutValue(this->store(), Key("other", 4096), "sound");
  this->twin_.Damage(Key("bad"), value);
  Store& store = this->store();
  const RecordLookup lookup = GetOne(store, Key("bad"));
  EXPECT_EQ(lookup.status.code(), StatusCode::kCorruption);
  EXPECT_FALSE(lookup.found);
  EXPECT_NE(lookup.status.message().find("slot 7 inc 3 key \"bad\""), std::string::npos)
      << lookup.status.message();
  for (bool keys_only : {false, true}) {
    ScanLimits limits;
    limits.keys_only = keys_only;
    EXPECT_EQ(store.Scan(SlotId(7), Incarnation(3), "", "", limits).status().code(),
              StatusCode::kCorruption);
  }
}

// What is told as damaged, and where a scan that goes past it finds the rest. Which other records
// share a damaged block is the store's business.
TYPED_TEST(StoreTest, ScanPastDamageTellsWhereItIsAndReadsTheRest) {
  Random random(14);
  std::map<std::string, std::string> values;
  for (int i = 1000; i < 1200; ++i) values["k" + std::to_string(i)] = RandomBytes(random, 300);
  for (const auto& [key, value] : values) PutValue(this->store(), Key(key), value);
  PutValue(this->store(), Key("k1100", 8), "of another slot");
  this->twin_.Damage(Key("k1100"), values["k1100"]);
  for (size_t max_entries : {1000u, 7u, 1u}) {
    ScanLimits limits;
    limits.max_entries = max_entries;
    limits.past_damage = true;
    std::set<std::string> read, told;
    std::string after;
    bool complete = false;
    for (int pages = 0; pages < 500 && !complete; ++pages) {
      const auto page = this->store().Scan(SlotId(7), Incarnation(3), after, "", limits);
      ASSERT_TRUE(page.ok()) << page.status().ToString();
      EXPECT_LE(page->entries.size() + page->damaged.size(), max_entries);
      for (const StoredEntry& entry : page->entries) {
        EXPECT_TRUE(read.insert(entry.key).second) << entry.key << " came twice";
        EXPECT_TRUE(entry.record.value() == values.at(entry.key));
        after = std::max(after, entry.key);
      }
      for (const DamagedRecord& damaged : page->damaged) {
        EXPECT_EQ(damaged.why.code(), StatusCode::kCorruption);
        told.insert(damaged.key);
        after = std::max(after, damaged.key);
      }
      for (const DamagedStretch& stretch : page->stretches) {
        EXPECT_EQ(stretch.why.code(), StatusCode::kCorruption);
        for (const auto& [key, value] : values) {
          const bool within =
              key > stretch.after && (stretch.before.empty() || key < stretch.before);
          if (within) told.insert(key);
        }
      }
      complete = page->complete;
    }
    EXPECT_TRUE(complete) << "pages of " << max_entries;
    EXPECT_EQ(told.count("k1100"), 1u);
    EXPECT_LT(told.size(), 40u) << "far more than a block";
    for (const auto& [key, value] : values) {
      EXPECT_EQ(read.count(key) + told.count(key), 1u) << key;
    }
  }
}

TYPED_TEST(StoreTest, StatsGrowWithTheData) {
  Store& store = this->store();
  for (int i = 0; i < 100; ++i) {
    PutValue(store, Key("k" + std::to_string(i)), std::string(10'000, 'v'));
  }
  this->twin_.Settle();
  const StoreStats stats = store.Stats();
  EXPECT_GE(stats.keys, 90u);
  EXPECT_LE(stats.keys, 110u);
  EXPECT_GT(stats.bytes, 5'000u);
}

// Many small instances and a few large ones, with values inline and in files of their own.
TYPED_TEST(StoreTest, EstimatedSizesAddUpToWhatWasWritten) {
  Random random(15);
  std::map<InstanceName, uint64_t> written;
  for (int i = 0; i < 3000; ++i) {
    const bool large = i % 100 == 0;
    const auto slot = static_cast<uint32_t>(random.Below(large ? 4 : 200));
    const std::string key = "key" + std::to_string(i);
    const v1::Record record = MakeRecord(1, RandomBytes(random, large ? 50'000 : 1 + i % 700));
    const RecordKey name = Key(key, slot, 1 + slot % 2);
    PutOne(this->store(), name, record);
    const std::string store_key = EncodeStoreKey(name);
    written[{name.slot, name.inc}] += store_key.size() + EncodeRecord(store_key, record).size();
    if (i % 1000 == 500) this->twin_.Settle();
  }
  std::vector<InstanceName> instances = {{SlotId(0), Incarnation(0)}};  // has nothing
  for (const auto& [name, bytes] : written) instances.push_back(name);
  instances.push_back({SlotId(500), Incarnation(1)});  // neither
  for (int round = 0; round < 2; ++round) {
    const auto sizes = this->store().EstimateSizes(instances);
    ASSERT_TRUE(sizes.ok()) << sizes.status().ToString();
    ASSERT_EQ(sizes->size(), instances.size());
    double sum = 0, truth = 0;
    for (size_t i = 0; i < instances.size(); ++i) {
      const auto bytes = static_cast<double>(written[instances[i]]);
      // Four runs at most: three table files and the memtable.
      EXPECT_NEAR(static_cast<double>((*sizes)[i]), bytes, 0.01 * bytes + 4 * 4096) << i;
      sum += static_cast<double>((*sizes)[i]);
      truth += bytes;
    }
    EXPECT_NEAR(sum, truth, 0.01 * truth);
    this->twin_.Reopen();
  }
}

TYPED_TEST(StoreTest, EstimatedSizesCountAKeyOnceAndOnlyForTheInstancesAskedFor) {
  Store& store = this->store();
  for (uint64_t version = 1; version <= 20; ++version) {
    PutOne(store, Key("written often", 7, 3), MakeRecord(version, std::string(5000, 'v')));
    PutOne(store, Key("elsewhere", 7, 4), MakeRecord(version, std::string(100, 'v')));
  }
  this->twin_.Settle();
  const InstanceName asked{SlotId(7), Incarnation(3)};
  const auto sizes = store.EstimateSizes({&asked, 1});
  ASSERT_TRUE(sizes.ok()) << sizes.status().ToString();
  EXPECT_LE((*sizes)[0], 5100u);
  EXPECT_GE((*sizes)[0], 12u);  // a blob of one letter is compressed to nearly nothing
  EXPECT_EQ(store.EstimateSizes({})->size(), 0u);
}

// Random batches, drops and reopenings, compared with a plain map.
TYPED_TEST(StoreTest, DoesWhatAPlainMapDoes) {
  Random random(14);
  using Place = std::tuple<uint32_t, uint64_t, std::string>;
  std::map<Place, std::string> model;
  for (int step = 0; step < 600; ++step) {
    std::vector<std::pair<Place, v1::Record>> changes;  // an empty value erases
    for (uint64_t n = random.Between(1, 20); n > 0; --n) {
      Place place{
          static_cast<uint32_t>(random.Below(3)), random.Below(3),
          RandomBytes(random, random.Between(1, 2)).replace(0, 1, 1, "ab\xff"[random.Below(3)])};
      const size_t size =
          random.Chance(0.3) ? 0 : random.Between(1, random.Chance(0.05) ? 9000 : 50);
      changes.emplace_back(std::move(place), MakeRecord(random.Next(), RandomBytes(random, size)));
    }
    StoreBatch batch;
    for (const auto& [place, record] : changes) {
      const RecordKey key = Key(std::get<2>(place), std::get<0>(place), std::get<1>(place));
      if (record.value().empty()) {
        batch.EraseRecord(key);
        model.erase(place);
      } else {
        batch.PutRecord(key, record);
        model[place] = record.value();
      }
    }
    ASSERT_TRUE(this->store().Write(batch, random.Chance(0.02)).ok());
    if (random.Chance(0.02)) {
      const uint32_t slot = static_cast<uint32_t>(random.Below(3));
      const uint64_t inc = random.Below(3);
      ASSERT_TRUE(this->store().DropInstance(SlotId(slot), Incarnation(inc)).ok());
      std::erase_if(model, [&](const auto& entry) {
        return std::get<0>(entry.first) == slot && std::get<1>(entry.first) == inc;
      });
    }
    if (random.Chance(0.02)) this->twin_.Settle();
    if (random.Chance(0.005)) this->twin_.Reopen();
    if (step % 50 != 49) continue;
    size_t seen = 0;
    for (uint32_t slot = 0; slot < 3; ++slot) {
      for (uint64_t inc = 0; inc < 3; ++inc) {
        for (const std::string& key : this->Keys(slot, inc, "", random.Between(1, 100))) {
          const auto it = model.find({slot, inc, key});
          ASSERT_TRUE(it != model.end()) << "step " << step;
          ASSERT_TRUE(ValueOf(this->store(), Key(key, slot, inc)) == it->second);
          ++seen;
        }
      }
    }
    ASSERT_EQ(seen, model.size()) << "step " << step;
  }
}

TYPED_TEST(StoreTest, ThreadsSeeWholeBatches) {
  Store& store = this->store();
  std::atomic<bool> done{false};
  std::vector<std::thread> writers;
  for (uint32_t slot = 0; slot < 2; ++slot) {
    writers.emplace_back([&store, slot] {
      for (uint64_t i = 1; i <= 1500; ++i) {
        const v1::Record record = MakeRecord(i, std::to_string(i));
        StoreBatch batch;
        batch.PutRecord(Key("k", slot), record);
        batch.PutMeta("slot" + std::to_string(slot), std::to_string(i));
        ASSERT_TRUE(store.Write(batch, i % 500 == 0).ok());
      }
    });
  }
  std::thread reader([&] {
    uint64_t last = 0;
    while (!done) {
      const Result<std::string> meta = store.GetMeta("slot0");
      if (!meta.ok()) continue;
      const RecordLookup lookup = GetOne(store, Key("k", 0));
      ASSERT_TRUE(lookup.found);
      ASSERT_GE(lookup.record.version().seq(), std::stoull(*meta));
      ASSERT_GE(lookup.record.version().seq(), last);
      last = lookup.record.version().seq();
      ASSERT_TRUE(store.Scan(SlotId(1), Incarnation(3), "", "", {}).ok());
    }
  });
  for (std::thread& writer : writers) writer.join();
  done = true;
  reader.join();
  EXPECT_EQ(ValueOf(store, Key("k", 1)), "1500");
}

}  // namespace
}  // namespace ringkv
