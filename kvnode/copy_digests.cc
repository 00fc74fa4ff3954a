#include "kvnode/copy_digests.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "kvnode/garbage.h"
#include "kvnode/instance_facts.h"
#include "migration/record_digest.h"
#include "migration/version_proto.h"

namespace ringkv {
namespace {

// What one answer reads, at most: tens of milliseconds.
constexpr uint64_t kMaxReadBytes = 8 << 20;
constexpr size_t kMaxReadRecords = 20'000;
constexpr size_t kMaxListedBytes = 1 << 20;  // of keys
constexpr size_t kMaxListedRecords = 8'192;

// The floor of a live instance; nothing: there is no such one.
Result<std::optional<Floor>> FloorOf(Store& store, const v1::KeyRange& range) {
  const auto bytes =
      store.GetMeta(InstanceMetaName(SlotId(range.slot()), Incarnation(range.inc())));
  if (bytes.status().code() == StatusCode::kNotFound) return std::optional<Floor>();
  if (!bytes.ok()) return bytes.status();
  v1::DiskInstance fact;
  if (!fact.ParseFromString(*bytes)) {
    return Status::Corruption("what is stored of slot " + std::to_string(range.slot()) +
                              " cannot be read");
  }
  if (fact.retired()) return std::optional<Floor>();
  return std::optional<Floor>(Floor{FromProto(fact.floor()), fact.expired_before_ms()});
}

// One entry of a copy, in key order: a record, a record that cannot be read, or a stretch.
struct Passed {
  const std::string* key = nullptr;  // null: a stretch
  v1::Record* record = nullptr;      // null: it cannot be read
  const DamagedStretch* stretch = nullptr;
};

// Goes through a range page by page.
class RangeWalk {
 public:
  RangeWalk(Store& store, const v1::KeyRange& range) : store_(store), range_(range) {}

  // Calls `pass` for everything in the range until that says stop, or the range ends. True: it
  // ended.
  template <class Pass>
  Result<bool> Run(Pass pass) {
    std::string after = range_.after();
    while (true) {
      ScanLimits limits;
      limits.max_bytes = 1 << 20;
      limits.max_entries = 1'024;
      limits.past_damage = true;
      auto page = store_.Scan(SlotId(range_.slot()), Incarnation(range_.inc()), after, "", limits);
      if (!page.ok()) return page.status();
      auto entry = page->entries.begin();
      auto damaged = page->damaged.begin();
      auto stretch = page->stretches.begin();
      while (true) {
        const std::string* good = entry != page->entries.end() ? &entry->key : nullptr;
        const std::string* bad = damaged != page->damaged.end() ? &damaged->key : nullptr;
        const bool bad_first = bad != nullptr && (good == nullptr || *bad < *good);
        const std::string* next = bad_first ? bad : good;
        Passed passed;
        if (stretch != page->stretches.end() && (next == nullptr || stretch->after < *next)) {
          if (!InRange(stretch->after, /*inclusive=*/false)) return true;
          passed.stretch = &*stretch++;
        } else if (next == nullptr) {
          break;
        } else {
          if (!InRange(*next, /*inclusive=*/true)) return true;
          passed.key = next;
          if (!bad_first) passed.record = &entry->record;
          after = *next;
          bad_first ? static_cast<void>(++damaged) : static_cast<void>(++entry);
        }
        if (!pass(passed)) return false;
      }
      if (page->complete) return true;
    }
  }

 private:
  bool InRange(const std::string& key, bool inclusive) const {
    if (range_.last_key().empty()) return true;
    return inclusive ? key <= range_.last_key() : key < range_.last_key();
  }

  Store& store_;
  const v1::KeyRange& range_;
};

// Digests of one range, or of its parts.
class DigestAnswer {
 public:
  DigestAnswer(uint32_t split_records, v1::DigestRangesReply* reply)
      : split_records_(split_records), reply_(reply) {}

  bool full() const { return read_bytes_ >= kMaxReadBytes || read_records_ >= kMaxReadRecords; }

  Status Add(Store& store, const v1::KeyRange& range) {
    auto floor = FloorOf(store, range);
    if (!floor.ok()) return floor.status();
    Begin();
    if (!*floor) {
      digest_->set_no_instance(true);
      digest_->set_complete(true);
      return Status::Ok();
    }
    auto ended = RangeWalk(store, range).Run([&](const Passed& passed) {
      Pass(passed, **floor);
      return passed.key == nullptr || !full();  // a part ends with a key, or with the range
    });
    if (!ended.ok()) return ended.status();
    digest_->set_complete(*ended);
    End();
    return Status::Ok();
  }

 private:
  void Begin() {
    digest_ = reply_->add_digests();
    sum_ = {};
  }

  void End() {
    digest_->set_records(sum_.records);
    digest_->set_digest_low(sum_.low);
    digest_->set_digest_high(sum_.high);
  }

  void Pass(const Passed& passed, const Floor& floor) {
    const uint64_t had = sum_.records + digest_->unreadable();
    if (split_records_ > 0 && had > 0 && (had >= split_records_ || passed.key == nullptr)) {
      End();
      Begin();
    }
    if (passed.key == nullptr) {
      digest_->set_unreadable(digest_->unreadable() + 1);
      return;
    }
    digest_->set_through(*passed.key);
    ++read_records_;
    if (passed.record == nullptr) {
      digest_->set_unreadable(digest_->unreadable() + 1);
      return;
    }
    const uint64_t bytes = passed.key->size() + passed.record->value().size();
    read_bytes_ += bytes;
    if (Collected(*passed.record, floor)) return;
    digest_->set_bytes(digest_->bytes() + bytes);
    sum_.Add(DigestOf(*passed.key, passed.record));
  }

  const uint32_t split_records_;
  v1::DigestRangesReply* reply_;
  v1::RangeDigestReply* digest_ = nullptr;
  DigestSum sum_;
  uint64_t read_bytes_ = 0;
  size_t read_records_ = 0;
};

Status CheckRange(const v1::KeyRange& range) {
  if (range.inc() == 0) return Status::InvalidArgument("a range needs an incarnation from 1 on");
  const bool backwards = !range.last_key().empty() && range.last_key() < range.after();
  return backwards ? Status::InvalidArgument("a range ends before it begins") : Status::Ok();
}

}  // namespace

Result<v1::DigestRangesReply> AnswerDigests(Store& store, const v1::DigestRangesRequest& request) {
  if (request.ranges().empty()) return Status::InvalidArgument("no range is named");
  if (request.split_records() > 0 && request.ranges_size() > 1) {
    return Status::InvalidArgument("one range is split at a time");
  }
  v1::DigestRangesReply reply;
  DigestAnswer answer(request.split_records(), &reply);
  for (const v1::KeyRange& range : request.ranges()) {
    RINGKV_RETURN_IF_ERROR(CheckRange(range));
    RINGKV_RETURN_IF_ERROR(answer.Add(store, range));
    if (answer.full()) break;
  }
  return reply;
}

Result<v1::ListRecordsReply> AnswerRecords(Store& store, const v1::ListRecordsRequest& request) {
  RINGKV_RETURN_IF_ERROR(CheckRange(request.range()));
  auto floor = FloorOf(store, request.range());
  if (!floor.ok()) return floor.status();
  v1::ListRecordsReply reply;
  if (!*floor) {
    reply.set_no_instance(true);
    reply.set_complete(true);
    return reply;
  }
  uint64_t read_bytes = 0, listed_bytes = 0;
  auto ended = RangeWalk(store, request.range()).Run([&](const Passed& passed) {
    if (passed.key == nullptr) {
      v1::UnreadableStretch* stretch = reply.add_stretches();
      stretch->set_after(passed.stretch->after);
      stretch->set_before(passed.stretch->before);
      stretch->set_message(passed.stretch->why.message());
      return true;
    }
    reply.set_through(*passed.key);
    if (passed.record != nullptr) {
      read_bytes += passed.key->size() + passed.record->value().size();
      if (Collected(*passed.record, **floor)) return read_bytes < kMaxReadBytes;
    }
    v1::ListedRecord* listed = reply.add_records();
    listed->set_key(*passed.key);
    listed_bytes += passed.key->size();
    if (passed.record == nullptr) {
      listed->set_unreadable(true);
    } else {
      *listed->mutable_version() = passed.record->version();
      const RecordDigest digest = DigestOf(*passed.key, passed.record);
      listed->set_digest_low(digest.low);
      listed->set_digest_high(digest.high);
    }
    return read_bytes < kMaxReadBytes && listed_bytes < kMaxListedBytes &&
           reply.records_size() < static_cast<int>(kMaxListedRecords);
  });
  if (!ended.ok()) return ended.status();
  reply.set_complete(*ended);
  return reply;
}

}  // namespace ringkv
