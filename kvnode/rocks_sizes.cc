#include "kvnode/rocks_sizes.h"

#include <google/protobuf/io/coded_stream.h>

#include <algorithm>

#include "kvnode/record_codec.h"
#include "kvnode/size_marks.h"

namespace ringkv {
namespace {

constexpr const char* kSizesProperty = "ringkv.instance-sizes";

// While an estimate is made, a memtable may become a table file, and would be counted in both or in
// neither: it is made again, at most this many times.
constexpr int kTries = 3;

// Bytes of a value that lies in a blob file, by what stands in the table for it: RocksDB's
// BlobIndex (type, then varints: file number, offset, size). Table files hold it, so it does not
// change.
uint64_t BlobBytes(std::string_view index) {
  constexpr char kBlob = 1;
  if (index.empty() || index[0] != kBlob) return index.size();
  google::protobuf::io::CodedInputStream fields(reinterpret_cast<const uint8_t*>(index.data()) + 1,
                                                static_cast<int>(index.size()) - 1);
  uint64_t file = 0, offset = 0, size = 0;
  const bool read =
      fields.ReadVarint64(&file) && fields.ReadVarint64(&offset) && fields.ReadVarint64(&size);
  return read ? size : index.size();
}

class SizeCollector final : public rocksdb::TablePropertiesCollector {
 public:
  rocksdb::Status AddUserKey(const rocksdb::Slice& key, const rocksdb::Slice& value,
                             rocksdb::EntryType type, rocksdb::SequenceNumber /*sequence*/,
                             uint64_t /*file_size*/) override {
    const bool blob = type == rocksdb::kEntryBlobIndex;
    if (!blob && type != rocksdb::kEntryPut) return rocksdb::Status::OK();
    const Result<RecordKey> name = DecodeStoreKey(ToView(key));
    if (!name.ok()) return rocksdb::Status::Corruption(name.status().message());
    marks_.Add({name->slot, name->inc},
               key.size() + (blob ? BlobBytes(ToView(value)) : value.size()));
    return rocksdb::Status::OK();
  }

  rocksdb::Status Finish(rocksdb::UserCollectedProperties* properties) override {
    (*properties)[kSizesProperty] = marks_.ToProto().SerializeAsString();
    return rocksdb::Status::OK();
  }

  rocksdb::UserCollectedProperties GetReadableProperties() const override {
    return {{kSizesProperty, std::to_string(marks_.marks()) + " marks"}};
  }
  const char* Name() const override { return "ringkv.SizeCollector"; }

 private:
  SizeMarks marks_;
};

class SizeCollectorFactory final : public rocksdb::TablePropertiesCollectorFactory {
 public:
  rocksdb::TablePropertiesCollector* CreateTablePropertiesCollector(
      rocksdb::TablePropertiesCollectorFactory::Context /*context*/) override {
    return new SizeCollector;  // RocksDB owns it
  }
  const char* Name() const override { return "ringkv.SizeCollectorFactory"; }
};

// A file that was written before there were marks counts as one run of everything.
SizeMarks MarksOf(const rocksdb::TableProperties& table) {
  const auto found = table.user_collected_properties.find(kSizesProperty);
  v1::DiskSizeMarks proto;
  if (found != table.user_collected_properties.end() && proto.ParseFromString(found->second)) {
    if (Result<SizeMarks> marks = SizeMarks::FromProto(proto); marks.ok()) return *marks;
  }
  return SizeMarks::Undivided(table.raw_key_size + table.raw_value_size);
}

rocksdb::Status AddTables(const RocksEngine& engine, std::span<const InstanceName> instances,
                          std::span<uint64_t> sizes) {
  rocksdb::TablePropertiesCollection tables;
  const rocksdb::Status status = engine.db->GetPropertiesOfAllTables(engine.records, &tables);
  if (!status.ok()) return status;
  for (const auto& [file, properties] : tables) MarksOf(*properties).AddTo(instances, sizes);
  return status;
}

rocksdb::Status AddMemtables(const RocksEngine& engine, std::span<const InstanceName> instances,
                             std::span<uint64_t> sizes) {
  rocksdb::ReadOptions read;
  read.read_tier = rocksdb::kMemtableTier;
  const std::unique_ptr<rocksdb::Iterator> it(engine.db->NewIterator(read, engine.records));
  auto at = instances.begin();
  for (it->SeekToFirst(); it->Valid() && at != instances.end(); it->Next()) {
    const Result<RecordKey> key = DecodeStoreKey(ToView(it->key()));
    if (!key.ok()) return rocksdb::Status::Corruption(key.status().message());
    const InstanceName name{key->slot, key->inc};
    while (at != instances.end() && *at < name) ++at;
    if (at == instances.end() || *at != name) continue;
    sizes[static_cast<size_t>(at - instances.begin())] += it->key().size() + it->value().size();
  }
  return it->status();
}

uint64_t TreeVersion(const RocksEngine& engine) {
  uint64_t version = 0;
  (void)engine.db->GetIntProperty(engine.records,
                                  rocksdb::DB::Properties::kCurrentSuperVersionNumber, &version);
  return version;
}

}  // namespace

std::shared_ptr<rocksdb::TablePropertiesCollectorFactory> MakeSizeCollectors() {
  return std::make_shared<SizeCollectorFactory>();
}

rocksdb::Status EstimateRocksSizes(const RocksEngine& engine,
                                   std::span<const InstanceName> instances,
                                   std::vector<uint64_t>* sizes) {
  rocksdb::Status status;
  for (int tried = 0; tried < kTries; ++tried) {
    const uint64_t version = TreeVersion(engine);
    sizes->assign(instances.size(), 0);
    status = AddTables(engine, instances, *sizes);
    if (status.ok()) status = AddMemtables(engine, instances, *sizes);
    if (!status.ok() || TreeVersion(engine) == version) break;
  }
  return status;
}

}  // namespace ringkv
