#include "migration/slot_source.h"

#include "migration/range_digest.h"
#include "migration/version_proto.h"

namespace ringkv {
namespace {

constexpr uint32_t kRangeRecords = 32;
constexpr size_t kAnswerBytes = 1 << 20;

// Stands for a record that cannot be read, so that its range is equal to no other.
constexpr Version kUnreadable{Term(0), UINT64_MAX};

// Fills in what every answer says of the source; returns the version to compare above.
template <class Question, class Reply>
Version Introduce(const SlotCopy& copy, const Question& question, Reply* reply) {
  const Version above = CompareAbove(copy.stable(), FromProto(question.stable()), copy.floor(),
                                     FromProto(question.floor()));
  ToProto(above, reply->mutable_above());
  ToProto(copy.stable(), reply->mutable_stable());
  ToProto(copy.floor(), reply->mutable_floor());
  return above;
}

// Answers a SyncDiff record by record, in key order.
class DiffAnswer {
 public:
  DiffAnswer(SlotCopy& copy, const v1::SyncDiff& question, v1::SyncDiffReply* reply)
      : copy_(copy),
        question_(question),
        reply_(reply),
        above_(Introduce(copy, question, reply)),
        stable_(copy.stable()),
        floor_(copy.floor()) {}

  Version above() const { return above_; }
  // It holds about as much as an answer may; `through` says how far it goes.
  bool full() const { return bytes_ >= kAnswerBytes; }
  // IoError: the disk failed meanwhile.
  const Status& status() const { return status_; }

  bool InRange(const std::string& key) const {
    return question_.last_key().empty() || key <= question_.last_key();
  }

  void OnRecord(v1::SlotEntry* entry) {
    if (!PassOver(&entry->key())) return;
    reply_->set_through(entry->key());
    const v1::KeyVersion* mine = Mine();
    const bool listed = mine != nullptr && mine->key() == entry->key();
    const Version here = FromProto(entry->record().version());
    // So old that it need not be what is there now: a page may show what was long replaced.
    if (here <= above_) {
      if (!listed) return;
      LookUp(mine->key(), FromProto(mine->version()));
      ++next_;
      return;
    }
    if (listed) {
      ++next_;
      const Version there = FromProto(mine->version());
      if (here == there) return;
      if (there > here) return Lower(mine->key(), there, entry->mutable_record());
    } else if (!Counts(entry->record(), above_, floor_)) {
      return;
    }
    if (question_.compare_only()) {
      reply_->add_differing(entry->key());
    } else {
      reply_->add_newer()->Swap(entry);
    }
  }

  // What is here cannot be read: the owner mends it, and says what the target lacks.
  void OnUnreadable(const std::string& key) {
    if (!PassOver(&key)) return;
    reply_->set_through(key);
    if (Mine() != nullptr && Mine()->key() == key) ++next_;
    reply_->add_unreadable(key);
  }

  // All that the target has below `key` (null: to the end of the range) is not above `above` here,
  // if it is here at all. False: the answer is full before that, or the disk failed.
  bool PassOver(const std::string* key) {
    for (; Mine() != nullptr && (key == nullptr || Mine()->key() < *key); ++next_) {
      if (full() || !status_.ok()) return false;
      LookUp(Mine()->key(), FromProto(Mine()->version()));
      reply_->set_through(Mine()->key());
    }
    return !full() && status_.ok();
  }

 private:
  const v1::KeyVersion* Mine() const {
    return next_ < question_.mine_size() ? &question_.mine(next_) : nullptr;
  }

  // The page has nothing of the key, which may only be too old for it.
  void LookUp(const std::string& key, Version there) {
    const bool matters = !question_.compare_only() && (there <= floor_ || there <= stable_);
    if (!matters) return Lower(key, there, nullptr);
    Result<std::optional<v1::Record>> found = copy_.Find(key);
    if (!found.ok() && found.status().code() != StatusCode::kCorruption) {
      status_ = found.status();
    } else if (!found.ok()) {
      reply_->add_unreadable(key);
    } else if (!found->has_value() || FromProto((*found)->version()) < there) {
      Lower(key, there, found->has_value() ? &**found : nullptr);
    }
  }

  // The target has a higher version of the key than is here. `record`: what is here, or nothing.
  void Lower(const std::string& key, Version there, v1::Record* record) {
    const bool collected = record == nullptr && there <= floor_;
    // What was committed up to W is here: this is a leftover that never was.
    const bool leftover = there <= stable_;
    if (question_.compare_only() || (!collected && !leftover)) {
      reply_->add_differing(key);
      return;
    }
    v1::SlotEntry* instead = reply_->add_instead();
    instead->set_key(key);
    if (record != nullptr) {
      bytes_ += record->value().size();
      instead->mutable_record()->Swap(record);
      return;
    }
    ToProto(floor_, instead->mutable_record()->mutable_version());
    instead->mutable_record()->set_tombstone(true);
  }

  SlotCopy& copy_;
  const v1::SyncDiff& question_;
  v1::SyncDiffReply* reply_;
  const Version above_;
  const Version stable_;
  const Version floor_;
  int next_ = 0;      // of question_.mine
  size_t bytes_ = 0;  // of values that were looked up
  Status status_;
};

}  // namespace

Status AnswerRanges(SlotCopy& copy, const v1::SyncRanges& question, v1::SyncRangesReply* reply) {
  const Version above = Introduce(copy, question, reply);
  auto page = copy.Read(question.after(), {.above = above});
  if (!page.ok()) return page.status();
  RangeDigest digest;
  auto end_range = [&](const std::string& last_key) {
    v1::SyncRange* range = reply->add_ranges();
    range->set_last_key(last_key);
    ToProto(digest, range);
    digest = {};
  };
  for (const v1::SlotEntry& entry : page->entries) {
    if (page->damaged.count(entry.key()) != 0) {
      digest.Add(entry.key(), kUnreadable);
    } else if (Counts(entry.record(), above, copy.floor())) {
      digest.Add(entry.key(), FromProto(entry.record().version()));
    }
    const bool last = !page->complete && &entry == &page->entries.back();
    if (digest.records == kRangeRecords || last) end_range(entry.key());
  }
  if (page->complete) end_range("");
  return Status::Ok();
}

Status AnswerDiff(SlotCopy& copy, const v1::SyncDiff& question, v1::SyncDiffReply* reply) {
  DiffAnswer answer(copy, question, reply);
  auto page =
      copy.Read(question.after(), {.values = !question.compare_only(), .above = answer.above()});
  if (!page.ok()) return page.status();
  bool to_the_end = page->complete;
  for (v1::SlotEntry& entry : page->entries) {
    if (answer.full() || !answer.status().ok()) return answer.status();
    if (!answer.InRange(entry.key())) {
      to_the_end = true;
      break;
    }
    if (page->damaged.count(entry.key()) != 0) {
      answer.OnUnreadable(entry.key());
    } else {
      answer.OnRecord(&entry);
    }
  }
  if (to_the_end && answer.PassOver(nullptr)) reply->set_complete(true);
  return answer.status();
}

}  // namespace ringkv
