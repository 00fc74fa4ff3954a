#include "kvnode/copy_digests.h"

#include <gtest/gtest.h>

#include <set>

#include "kvnode/instance_facts.h"
#include "kvnode/memory_store.h"
#include "migration/record_digest.h"
#include "tests/kvnode/records.h"

namespace ringkv {
namespace {

class CopyDigests : public testing::Test {
 protected:
  CopyDigests() {
    MakeInstance(7, 3, {});
    MakeInstance(7, 4, {});
  }

  void MakeInstance(uint32_t slot, uint64_t inc, const v1::DiskInstance& fact) {
    StoreBatch batch;
    batch.PutMeta(InstanceMetaName(SlotId(slot), Incarnation(inc)), fact.SerializeAsString());
    ASSERT_TRUE(store_.Write(batch, true).ok());
  }

  static v1::KeyRange Range(uint64_t inc, const std::string& after = "",
                            const std::string& last = "") {
    v1::KeyRange range;
    range.set_slot(7);
    range.set_inc(inc);
    range.set_after(after);
    range.set_last_key(last);
    return range;
  }

  // As many answers as it takes.
  v1::RangeDigestReply Digest(v1::KeyRange range) {
    v1::RangeDigestReply sum;
    for (int answers = 1; answers < 1000; ++answers) {
      v1::DigestRangesRequest request;
      *request.add_ranges() = range;
      const auto reply = AnswerDigests(store_, request);
      EXPECT_TRUE(reply.ok()) << reply.status().ToString();
      if (!reply.ok() || reply->digests_size() != 1) return sum;
      const v1::RangeDigestReply& digest = reply->digests(0);
      sum.set_records(sum.records() + digest.records());
      sum.set_digest_low(sum.digest_low() + digest.digest_low());
      sum.set_digest_high(sum.digest_high() + digest.digest_high());
      sum.set_unreadable(sum.unreadable() + digest.unreadable());
      sum.set_bytes(sum.bytes() + digest.bytes());
      sum.set_no_instance(digest.no_instance());
      answers_ = answers;
      if (digest.complete()) return sum;
      EXPECT_GT(digest.through(), range.after());
      range.set_after(digest.through());
    }
    ADD_FAILURE() << "no end";
    return sum;
  }

  static bool Same(const v1::RangeDigestReply& a, const v1::RangeDigestReply& b) {
    return a.records() == b.records() && a.digest_low() == b.digest_low() &&
           a.digest_high() == b.digest_high();
  }

  MemoryStore store_;
  int answers_ = 0;
};

TEST_F(CopyDigests, AreTheSameForTheSameRecordsAndDifferInAnyFieldOfOne) {
  for (uint64_t inc : {3, 4}) {
    PutOne(store_, Key("a", 7, inc), MakeRecord(1, "x"));
    PutOne(store_, Key("b", 7, inc), MakeRecord(2, "y"));
  }
  const v1::RangeDigestReply before = Digest(Range(3));
  EXPECT_EQ(before.records(), 2u);
  EXPECT_EQ(before.bytes(), 4u);
  EXPECT_TRUE(Same(before, Digest(Range(4))));

  std::vector<v1::Record> others(5, MakeRecord(2, "y"));
  others[0].set_value("z");  // of the same version
  others[1].mutable_version()->set_seq(3);
  others[2].set_expires_at_ms(9);
  others[3].mutable_request_id()->set_client(5);
  others[4].set_tombstone(true);
  others[4].clear_value();
  for (const v1::Record& other : others) {
    PutOne(store_, Key("b", 7, 4), other);
    EXPECT_FALSE(Same(before, Digest(Range(4)))) << other.ShortDebugString();
  }
  // The same record under another key.
  PutOne(store_, Key("b", 7, 4), MakeRecord(2, "y"));
  EXPECT_TRUE(Same(before, Digest(Range(4))));
  StoreBatch erase;
  erase.EraseRecord(Key("b", 7, 4));
  ASSERT_TRUE(store_.Write(erase, true).ok());
  PutOne(store_, Key("c", 7, 4), MakeRecord(2, "y"));
  EXPECT_FALSE(Same(before, Digest(Range(4))));
}

TEST_F(CopyDigests, KeyAndValueAreNotMistakenForOneAnother) {
  v1::Record one = MakeRecord(1, "bc"), other = MakeRecord(1, "c");
  EXPECT_FALSE(DigestOf("a", &one) == DigestOf("ab", &other));
  EXPECT_EQ(one.value(), "bc") << "the record is as it was";
}

TEST_F(CopyDigests, PartsAddUpToTheWholeAndEndWithTheirLastKey) {
  for (int i = 100; i < 200; ++i) {
    PutValue(store_, Key("k" + std::to_string(i)), std::to_string(i));
  }
  v1::DigestRangesRequest request;
  *request.add_ranges() = Range(3, "k109");
  request.set_split_records(32);
  const auto reply = AnswerDigests(store_, request);
  ASSERT_TRUE(reply.ok());
  ASSERT_EQ(reply->digests_size(), 3);
  std::string after = "k109";
  for (const v1::RangeDigestReply& part : reply->digests()) {
    EXPECT_TRUE(Same(part, Digest(Range(3, after, part.complete() ? "" : part.through()))));
    after = part.through();
  }
  EXPECT_EQ(reply->digests(0).through(), "k141");
  EXPECT_EQ(reply->digests(2).records(), 26u);
  EXPECT_TRUE(reply->digests(2).complete());
}

TEST_F(CopyDigests, AnAnswerReadsABoundedStretch) {
  for (int i = 100; i < 140; ++i) {
    PutValue(store_, Key("k" + std::to_string(i)), std::string(1 << 20, 'v'));
  }
  const v1::RangeDigestReply sum = Digest(Range(3));
  EXPECT_EQ(sum.records(), 40u);
  EXPECT_GE(answers_, 4);
  EXPECT_LE(answers_, 8);
}

TEST_F(CopyDigests, RangesOfOneQuestionAreAnsweredInOrderAsFarAsItGoes) {
  PutValue(store_, Key("a"), "1");
  PutValue(store_, Key("b", 7, 4), std::string(8 << 20, 'v'));
  v1::DigestRangesRequest request;
  for (uint64_t inc : {3, 9, 4, 3}) *request.add_ranges() = Range(inc);
  const auto reply = AnswerDigests(store_, request);
  ASSERT_TRUE(reply.ok());
  ASSERT_EQ(reply->digests_size(), 3) << "the large one is enough for one answer";
  EXPECT_EQ(reply->digests(0).records(), 1u);
  EXPECT_TRUE(reply->digests(0).complete());
  EXPECT_TRUE(reply->digests(1).no_instance());
  EXPECT_EQ(reply->digests(2).records(), 1u);
}

TEST_F(CopyDigests, CollectedRecordsDoNotCountAndRetiredInstancesAreNotThere) {
  v1::DiskInstance fact;
  fact.mutable_floor()->set_term(1);
  fact.mutable_floor()->set_seq(5);
  fact.set_expired_before_ms(1'000);
  MakeInstance(7, 3, fact);
  v1::Record tombstone = MakeRecord(5, "");
  tombstone.set_tombstone(true);
  PutOne(store_, Key("gone"), tombstone);
  tombstone.mutable_version()->set_seq(6);
  PutOne(store_, Key("later"), tombstone);
  v1::Record brief = MakeRecord(5, "v");
  brief.set_expires_at_ms(900);
  PutOne(store_, Key("expired"), brief);
  brief.set_expires_at_ms(1'100);
  PutOne(store_, Key("lasts"), brief);
  EXPECT_EQ(Digest(Range(3)).records(), 2u);
  v1::ListRecordsRequest request;
  *request.mutable_range() = Range(3);
  const auto list = AnswerRecords(store_, request);
  ASSERT_TRUE(list.ok());
  ASSERT_EQ(list->records_size(), 2);
  EXPECT_EQ(list->records(0).key(), "lasts");
  EXPECT_EQ(list->records(1).key(), "later");

  fact.set_retired(true);
  MakeInstance(7, 3, fact);
  EXPECT_TRUE(Digest(Range(3)).no_instance());
  EXPECT_TRUE(AnswerRecords(store_, request)->no_instance());
}

TEST_F(CopyDigests, UnreadableRecordIsCountedListedAndNotInTheWay) {
  for (int i = 100; i < 120; ++i) PutValue(store_, Key("k" + std::to_string(i)), "v");
  ASSERT_TRUE(store_.CorruptRecord(Key("k110")));
  const v1::RangeDigestReply digest = Digest(Range(3));
  EXPECT_EQ(digest.records(), 19u);
  EXPECT_EQ(digest.unreadable(), 1u);
  EXPECT_EQ(Digest(Range(3, "k110")).unreadable(), 0u);
  EXPECT_EQ(Digest(Range(3, "k109", "k110")).unreadable(), 1u);
  v1::ListRecordsRequest request;
  *request.mutable_range() = Range(3, "k105", "k115");
  const auto list = AnswerRecords(store_, request);
  ASSERT_TRUE(list.ok());
  ASSERT_EQ(list->records_size(), 10);
  for (const v1::ListedRecord& record : list->records()) {
    EXPECT_EQ(record.unreadable(), record.key() == "k110");
  }
  EXPECT_TRUE(list->complete());
}

TEST_F(CopyDigests, QuestionsThatMakeNoSenseAreRefused) {
  v1::DigestRangesRequest digests;
  EXPECT_EQ(AnswerDigests(store_, digests).status().code(), StatusCode::kInvalidArgument);
  *digests.add_ranges() = Range(3, "b", "a");
  EXPECT_EQ(AnswerDigests(store_, digests).status().code(), StatusCode::kInvalidArgument);
  *digests.mutable_ranges(0) = Range(3);
  *digests.add_ranges() = Range(4);
  digests.set_split_records(5);
  EXPECT_EQ(AnswerDigests(store_, digests).status().code(), StatusCode::kInvalidArgument);
  v1::ListRecordsRequest list;
  EXPECT_EQ(AnswerRecords(store_, list).status().code(), StatusCode::kInvalidArgument);
  *list.mutable_range() = Range(3);
  store_.SetDiskError(true);
  EXPECT_EQ(AnswerRecords(store_, list).status().code(), StatusCode::kIoError);
}

}  // namespace
}  // namespace ringkv
