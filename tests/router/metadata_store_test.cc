// One suite for all metadata stores; then what is particular to each.
#include "router/metadata_store.h"

#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include <memory>
#include <random>

#include "router/embedded_metadata.h"
#include "router/simulated_metadata.h"
#include "tests/kvnode/temp_dir.h"

namespace ringkv {
namespace {

Result<bool> Commit(MetadataStore& store, MetadataTxn txn) {
  std::optional<Result<bool>> result;
  store.Commit(std::move(txn), [&](Result<bool> r) { result = std::move(r); });
  EXPECT_TRUE(result.has_value());
  return *result;
}

Result<MetadataStore::Entries> List(MetadataStore& store, std::string prefix) {
  std::optional<Result<MetadataStore::Entries>> result;
  store.List(std::move(prefix), [&](auto r) { result = std::move(r); });
  EXPECT_TRUE(result.has_value());
  return *result;
}

MetadataTxn Put(std::string name, std::string value) {
  MetadataTxn txn;
  txn.puts.emplace_back(std::move(name), std::move(value));
  return txn;
}

// Makes a store, and opens the same content again.
class Factory {
 public:
  virtual ~Factory() = default;
  virtual void Open() = 0;
  virtual MetadataStore& store() = 0;
};

class EmbeddedFactory final : public Factory {
 public:
  EmbeddedFactory() { Open(); }
  void Open() override {
    store_.reset();
    auto opened = EmbeddedMetadata::Open(dir_.Sub("r1"));
    ASSERT_TRUE(opened.ok()) << opened.status().ToString();
    store_ = std::move(*opened);
  }
  MetadataStore& store() override { return *store_; }

 private:
  TempDir dir_;
  std::unique_ptr<EmbeddedMetadata> store_;
};

class SimulatedFactory final : public Factory {
 public:
  SimulatedFactory() { Open(); }
  void Open() override { store_ = std::make_unique<SimulatedMetadata>(contents_); }
  MetadataStore& store() override { return *store_; }

 private:
  std::shared_ptr<SimulatedMetadata::Contents> contents_ =
      std::make_shared<SimulatedMetadata::Contents>();
  std::unique_ptr<SimulatedMetadata> store_;
};

template <class F>
class MetadataStores : public testing::Test {
 protected:
  F factory_;
};
using Factories = testing::Types<EmbeddedFactory, SimulatedFactory>;
TYPED_TEST_SUITE(MetadataStores, Factories);

TYPED_TEST(MetadataStores, StartEmpty) {
  auto entries = List(this->factory_.store(), "");
  ASSERT_TRUE(entries.ok());
  EXPECT_TRUE(entries->empty());
}

TYPED_TEST(MetadataStores, ListWhatWasPutInOrderOfNames) {
  MetadataStore& store = this->factory_.store();
  MetadataTxn txn;
  txn.puts = {{"b/2", "two"}, {"b/10", "ten"}, {"a", ""}, {std::string("b/\0\xff", 4), "bytes"}};
  EXPECT_TRUE(*Commit(store, txn));
  auto all = List(store, "");
  ASSERT_EQ(all->size(), 4u);
  EXPECT_EQ((*all)[0].first, "a");
  EXPECT_EQ((*all)[1].first, std::string("b/\0\xff", 4));
  EXPECT_EQ((*all)[2], (std::pair<std::string, std::string>("b/10", "ten")));
  EXPECT_EQ(List(store, "b/")->size(), 3u);
  EXPECT_TRUE(List(store, "c")->empty());
}

TYPED_TEST(MetadataStores, ChangeNothingUnlessEveryExpectationHolds) {
  MetadataStore& store = this->factory_.store();
  EXPECT_TRUE(*Commit(store, Put("x", "1")));
  MetadataTxn txn = Put("y", "2");
  txn.erases = {"x"};
  txn.expect = {{"x", "1"}, {"z", "3"}};
  EXPECT_FALSE(*Commit(store, txn));
  txn.expect = {{"x", std::nullopt}};
  EXPECT_FALSE(*Commit(store, txn));
  txn.expect = {{"x", "2"}};
  EXPECT_FALSE(*Commit(store, txn));
  EXPECT_EQ(List(store, "")->size(), 1u);
  txn.expect = {{"x", "1"}, {"z", std::nullopt}};
  EXPECT_TRUE(*Commit(store, txn));
  ASSERT_EQ(List(store, "")->size(), 1u);
  EXPECT_EQ(List(store, "")->front().first, "y");
}

TYPED_TEST(MetadataStores, CheckExpectationsAlsoWhereNothingChanges) {
  MetadataStore& store = this->factory_.store();
  MetadataTxn txn;
  txn.expect = {{"x", std::nullopt}};
  EXPECT_TRUE(*Commit(store, txn));
  txn.expect = {{"x", "1"}};
  EXPECT_FALSE(*Commit(store, txn));
}

TYPED_TEST(MetadataStores, KeepWhatWasCommittedOverAnOpening) {
  EXPECT_TRUE(*Commit(this->factory_.store(), Put("x", "1")));
  this->factory_.Open();
  EXPECT_EQ(List(this->factory_.store(), "x")->front().second, "1");
}

TYPED_TEST(MetadataStores, AreTheOnlyOnesThere) {
  EXPECT_EQ(this->factory_.store().LeaseTtl(), std::nullopt);
  std::optional<Lease> held;
  this->factory_.store().RenewLease([&](Result<Lease> lease) { held = *lease; });
  ASSERT_TRUE(held.has_value());
  EXPECT_TRUE(held->others.empty());
}

TEST(MetadataTwins, AgreeOnRandomTransactions) {
  EmbeddedFactory embedded;
  SimulatedFactory simulated;
  const unsigned seed = std::random_device{}();
  std::mt19937 random(seed);
  auto name = [&] { return "n" + std::to_string(random() % 4); };
  auto value = [&] { return std::string(1, static_cast<char>('a' + random() % 3)); };
  for (int i = 0; i < 400; ++i) {
    MetadataTxn txn;
    for (unsigned k = random() % 3; k > 0; --k) {
      txn.expect.emplace_back(name(), random() % 2 == 0 ? std::optional(value()) : std::nullopt);
    }
    for (unsigned k = random() % 3; k > 0; --k) txn.puts.emplace_back(name(), value());
    if (random() % 4 == 0) txn.erases.push_back("e" + name());
    ASSERT_EQ(*Commit(embedded.store(), txn), *Commit(simulated.store(), txn)) << "seed " << seed;
    ASSERT_EQ(*List(embedded.store(), ""), *List(simulated.store(), "")) << "seed " << seed;
  }
}

TEST(EmbeddedMetadata, IsOpenOnlyOnce) {
  TempDir dir;
  auto first = EmbeddedMetadata::Open(dir.Sub("r1"));
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(EmbeddedMetadata::Open(dir.Sub("r1")).status().code(), StatusCode::kRefused);
}

TEST(EmbeddedMetadata, RefusesAnotherFormatAndSomebodyElsesDatabase) {
  TempDir dir;
  ASSERT_TRUE(EmbeddedMetadata::Open(dir.Sub("r1")).ok());
  auto damage = [&](const std::string& path, const std::string& name, const std::string& value) {
    rocksdb::Options options;
    options.create_if_missing = true;
    rocksdb::DB* db = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open(options, path, &db).ok());
    ASSERT_TRUE(db->Put({}, name, value).ok());
    delete db;
  };
  damage(dir.Sub("r1/metadata"), "format", "ringkv-metadata-9");
  Status newer = EmbeddedMetadata::Open(dir.Sub("r1")).status();
  EXPECT_EQ(newer.code(), StatusCode::kRefused);
  EXPECT_NE(newer.message().find("ringkv-metadata-9"), std::string::npos) << newer.message();

  std::filesystem::create_directories(dir.Sub("r2"));
  damage(dir.Sub("r2/metadata"), "something", "else");
  EXPECT_EQ(EmbeddedMetadata::Open(dir.Sub("r2")).status().code(), StatusCode::kRefused);
}

TEST(SimulatedMetadata, LosesAnswersAndSaysSo) {
  using Fault = SimulatedMetadata::Fault;
  SimulatedMetadata store;
  store.Inject(Fault::kUnavailable, 2);
  EXPECT_EQ(Commit(store, Put("x", "1")).status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(List(store, "").status().code(), StatusCode::kUnavailable);
  EXPECT_TRUE(List(store, "")->empty());
  store.Inject(Fault::kLostNotApplied, 1);
  EXPECT_EQ(Commit(store, Put("x", "1")).status().code(), StatusCode::kUnknownOutcome);
  EXPECT_TRUE(List(store, "")->empty());
  store.Inject(Fault::kLostApplied, 1);
  EXPECT_EQ(Commit(store, Put("x", "1")).status().code(), StatusCode::kUnknownOutcome);
  EXPECT_EQ(List(store, "")->size(), 1u);
}

}  // namespace
}  // namespace ringkv
