#include "kvnode/record_codec.h"

#include <gtest/gtest.h>

#include "base/limits.h"
#include "tests/kvnode/records.h"

namespace ringkv {
namespace {

v1::Record RandomRecord(Random& random) {
  v1::Record record;
  record.mutable_version()->set_term(static_cast<uint32_t>(random.Next()));
  record.mutable_version()->set_seq(random.Next() >> random.Below(64));
  if (random.Chance(0.2)) {
    record.set_tombstone(true);
  } else {
    record.set_value(RandomBytes(random, random.Below(random.Chance(0.1) ? 10'000 : 60)));
  }
  if (random.Chance(0.3)) record.set_expires_at_ms(random.Next());
  if (random.Chance(0.2)) {
    record.mutable_origin()->set_term(static_cast<uint32_t>(random.Next()));
    record.mutable_origin()->set_seq(random.Next() >> random.Below(64));
  }
  if (random.Chance(0.5)) {
    record.mutable_request_id()->set_client(random.Next());
    record.mutable_request_id()->set_number(random.Below(1000));
  }
  return record;
}

std::string RandomStoreKey(Random& random) {
  const std::string key = RandomBytes(random, random.Between(1, 40));
  return EncodeStoreKey({SlotId(static_cast<uint32_t>(random.Below(kMaxSlots))),
                         Incarnation(random.Between(1, 9)), key});
}

Status Decode(std::string_view store_key, std::string_view bytes) {
  v1::Record record;
  return DecodeRecord(store_key, bytes, ValueBytes::kCopy, &record);
}

TEST(RecordCodec, ReadsBackWhatItWrote) {
  Random random(1);
  for (int i = 0; i < 2000; ++i) {
    const std::string key = RandomStoreKey(random);
    v1::Record record = RandomRecord(random);
    const std::string bytes = EncodeRecord(key, record);
    v1::Record back;
    ASSERT_TRUE(DecodeRecord(key, bytes, ValueBytes::kCopy, &back).ok());
    EXPECT_EQ(back.SerializeAsString(), record.SerializeAsString()) << "round " << i;
    const Result<Version> version = DecodeVersion(key, bytes);
    ASSERT_TRUE(version.ok());
    EXPECT_EQ(*version, (Version{Term(record.version().term()), record.version().seq()}));
    ASSERT_TRUE(DecodeRecord(key, bytes, ValueBytes::kLeaveOut, &back).ok());
    record.clear_value();
    EXPECT_EQ(back.SerializeAsString(), record.SerializeAsString()) << "round " << i;
  }
}

TEST(RecordCodec, FindsEveryFlippedBit) {
  Random random(2);
  for (int i = 0; i < 100; ++i) {
    const std::string key = RandomStoreKey(random);
    const std::string bytes = EncodeRecord(key, RandomRecord(random));
    for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      std::string damaged = bytes;
      damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
      ASSERT_EQ(Decode(key, damaged).code(), StatusCode::kCorruption) << "bit " << bit;
    }
  }
}

TEST(RecordCodec, VersionAloneFindsEveryFlippedBitOfTheHeader) {
  Random random(3);
  const std::string key = RandomStoreKey(random);
  const v1::Record record = RandomRecord(random);
  const std::string bytes = EncodeRecord(key, record);
  for (size_t bit = 0; bit < EncodeRecordHeader(key, record).size() * 8; ++bit) {
    std::string damaged = bytes;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    ASSERT_EQ(DecodeVersion(key, damaged).status().code(), StatusCode::kCorruption) << bit;
  }
}

TEST(RecordCodec, FindsEveryTruncationAndBytesTooMany) {
  Random random(4);
  for (int i = 0; i < 200; ++i) {
    const std::string key = RandomStoreKey(random);
    const std::string bytes = EncodeRecord(key, RandomRecord(random));
    for (size_t size = 0; size < bytes.size(); ++size) {
      const std::string_view cut = std::string_view(bytes).substr(0, size);
      ASSERT_EQ(Decode(key, cut).code(), StatusCode::kCorruption) << size;
    }
    EXPECT_EQ(Decode(key, bytes + '\0').code(), StatusCode::kCorruption);
  }
}

TEST(RecordCodec, SurvivesRandomBytes) {
  Random random(5);
  const std::string key = EncodeStoreKey(Key("k"));
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = RandomBytes(random, random.Below(80));
    if (!bytes.empty() && random.Chance(0.7)) bytes[0] = kRecordFormat;
    if (bytes.size() > 1 && random.Chance(0.7)) bytes[1] &= 0x1f;
    EXPECT_EQ(Decode(key, bytes).code(), StatusCode::kCorruption);
    EXPECT_FALSE(DecodeVersion(key, bytes).ok());
  }
}

TEST(RecordCodec, FindsARecordInTheWrongPlace) {
  const std::string bytes = EncodeRecord(EncodeStoreKey(Key("a")), MakeRecord(1, "value"));
  for (const RecordKey& other : {Key("b"), Key("a", 8), Key("a", 7, 4), Key("aa")}) {
    EXPECT_EQ(Decode(EncodeStoreKey(other), bytes).code(), StatusCode::kCorruption);
    EXPECT_FALSE(DecodeVersion(EncodeStoreKey(other), bytes).ok());
  }
}

TEST(RecordCodec, NamesSlotAndKeyOfDamage) {
  const std::string key = EncodeStoreKey(Key("a\x01"));
  std::string bytes = EncodeRecord(key, MakeRecord(1, "value"));
  bytes.back() ^= 1;
  const std::string message = Decode(key, bytes).message();
  EXPECT_NE(message.find("slot 7 inc 3 key \"a\\x01\""), std::string::npos) << message;
}

TEST(RecordCodec, SaysThatAnUnknownFormatIsOfANewerProgram) {
  const std::string key = EncodeStoreKey(Key("a"));
  std::string bytes = EncodeRecord(key, MakeRecord(1, "value"));
  bytes[0] = kRecordFormat + 1;
  const Status status = Decode(key, bytes);
  EXPECT_EQ(status.code(), StatusCode::kCorruption);
  EXPECT_NE(status.message().find("newer ringkv"), std::string::npos) << status.message();
}

// The bytes on disks that exist: this may only be added to.
TEST(RecordCodec, Format1IsWhatTheDocumentSays) {
  v1::Record record = MakeRecord(0x0102030405060708, "v");
  record.mutable_version()->set_term(0x0a0b0c0d);
  record.set_expires_at_ms(5);
  record.mutable_request_id()->set_client(6);
  record.mutable_request_id()->set_number(7);
  const std::string bytes = EncodeRecord(EncodeStoreKey(Key("k")), record);
  const std::string_view start(
      "\x01\x0e\x0d\x0c\x0b\x0a\x08\x07\x06\x05\x04\x03\x02\x01"
      "\x05\0\0\0\0\0\0\0\x06\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0",
      38);
  EXPECT_EQ(bytes.substr(0, start.size()), start);
  EXPECT_EQ(bytes.size(), start.size() + 8 + 8 + 1);
  EXPECT_EQ(EncodeRecord(EncodeStoreKey(Key("k")), v1::Record()).size(), 22u);
}

TEST(StoreKey, ReadsBackAndSortsBySlotThenIncarnationThenKey) {
  const std::vector<RecordKey> sorted = {
      Key("a", 0, 1),      Key("b", 0, 1),   Key("\xff", 0, 1),
      Key("a", 0, 2),      Key("a", 0, 256), Key("a", 1, 1),
      Key("a", 255, 1),    Key("a", 256, 1), Key("a", kMaxSlots - 1, 1),
      Key("a", ~0u, ~0ull)};
  for (size_t i = 0; i < sorted.size(); ++i) {
    const std::string bytes = EncodeStoreKey(sorted[i]);
    const Result<RecordKey> back = DecodeStoreKey(bytes);
    ASSERT_TRUE(back.ok());
    EXPECT_EQ(back->slot, sorted[i].slot);
    EXPECT_EQ(back->inc, sorted[i].inc);
    EXPECT_EQ(back->key, sorted[i].key);
    if (i > 0) {
      EXPECT_LT(EncodeStoreKey(sorted[i - 1]), bytes);
    }
  }
  EXPECT_EQ(DecodeStoreKey("short").status().code(), StatusCode::kCorruption);
}

TEST(StoreKey, EndOfAnInstanceIsAboveItsKeysAndNotAboveTheNext) {
  const std::string longest(kMaxKeyBytes, '\xff');
  for (const RecordKey& key : {Key(longest, 0, 1), Key(longest, 7, 255), Key(longest, 255, ~0ull),
                               Key(longest, ~0u, ~0ull)}) {
    EXPECT_LT(EncodeStoreKey(key), EndOfPrefix(InstancePrefix(key.slot, key.inc)));
  }
  EXPECT_LE(EndOfPrefix(InstancePrefix(SlotId(7), Incarnation(255))),
            InstancePrefix(SlotId(7), Incarnation(256)));
  EXPECT_LE(EndOfPrefix(InstancePrefix(SlotId(7), Incarnation(~0ull))),
            InstancePrefix(SlotId(8), Incarnation(0)));
}

}  // namespace
}  // namespace ringkv
