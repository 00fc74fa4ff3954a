#include "kvnode/rocks_versions.h"

#include <algorithm>

#include "kvnode/record_codec.h"
#include "kvnode/rocks_engine.h"

namespace ringkv {
namespace {

constexpr const char* kVersionProperty = "ringkv.highest-version";

std::string Encode(Version version) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) {
    bytes.push_back(static_cast<char>(version.term.value() >> shift));
  }
  for (int shift = 56; shift >= 0; shift -= 8) {
    bytes.push_back(static_cast<char>(version.seq >> shift));
  }
  return bytes;
}

Version Decode(std::string_view bytes) {
  if (bytes.size() != 12) return kHighestVersion;
  uint32_t term = 0;
  uint64_t seq = 0;
  for (size_t i = 0; i < 4; ++i) term = term << 8 | static_cast<uint8_t>(bytes[i]);
  for (size_t i = 4; i < 12; ++i) seq = seq << 8 | static_cast<uint8_t>(bytes[i]);
  return {Term(term), seq};
}

class VersionCollector final : public rocksdb::TablePropertiesCollector {
 public:
  rocksdb::Status AddUserKey(const rocksdb::Slice& key, const rocksdb::Slice& value,
                             rocksdb::EntryType type, rocksdb::SequenceNumber /*sequence*/,
                             uint64_t /*file_size*/) override {
    switch (type) {
      case rocksdb::kEntryPut: {
        const Result<Version> version = DecodeVersion(ToView(key), ToView(value));
        highest_ = std::max(highest_, version.ok() ? *version : kHighestVersion);
        break;
      }
      case rocksdb::kEntryDelete:
      case rocksdb::kEntrySingleDelete:
      case rocksdb::kEntryRangeDeletion:
        break;
      default:  // the value lies in a blob file, and its version with it
        highest_ = kHighestVersion;
    }
    return rocksdb::Status::OK();
  }
  rocksdb::Status Finish(rocksdb::UserCollectedProperties* properties) override {
    (*properties)[kVersionProperty] = Encode(highest_);
    return rocksdb::Status::OK();
  }
  rocksdb::UserCollectedProperties GetReadableProperties() const override {
    return {{kVersionProperty,
             std::to_string(highest_.term.value()) + "." + std::to_string(highest_.seq)}};
  }
  const char* Name() const override { return "ringkv.VersionCollector"; }

 private:
  Version highest_;
};

class VersionCollectorFactory final : public rocksdb::TablePropertiesCollectorFactory {
 public:
  rocksdb::TablePropertiesCollector* CreateTablePropertiesCollector(
      rocksdb::TablePropertiesCollectorFactory::Context /*context*/) override {
    return new VersionCollector;  // RocksDB owns it
  }
  const char* Name() const override { return "ringkv.VersionCollectorFactory"; }
};

}  // namespace

std::shared_ptr<rocksdb::TablePropertiesCollectorFactory> MakeVersionCollectors() {
  return std::make_shared<VersionCollectorFactory>();
}

Version HighestVersionIn(const rocksdb::TableProperties& table) {
  const auto found = table.user_collected_properties.find(kVersionProperty);
  return found == table.user_collected_properties.end() ? kHighestVersion : Decode(found->second);
}

}  // namespace ringkv
