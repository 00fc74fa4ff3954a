#include "router/scan.h"

#include <algorithm>
#include <bit>

#include "base/check.h"
#include "base/limits.h"
#include "ring/hash.h"

namespace ringkv {
namespace {

constexpr char kCursorVersion = 1;
constexpr size_t kCursorHeader = 1 + 1 + 4 + 8;  // version, log2 slots, slot, hash of the prefix
constexpr uint32_t kPrefetchBytes = 64 << 10;
constexpr Duration kRetryMin = std::chrono::milliseconds(20);
constexpr Duration kRetryMax = std::chrono::milliseconds(320);

template <class Number>
void AppendLittleEndian(Number number, std::string* out) {
  for (size_t i = 0; i < sizeof(Number); ++i) {
    out->push_back(static_cast<char>((number >> (8 * i)) & 0xff));
  }
}

template <class Number>
Number ReadLittleEndian(std::string_view bytes) {
  Number number = 0;
  for (size_t i = 0; i < sizeof(Number); ++i) {
    number |= static_cast<Number>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  }
  return number;
}

size_t EntryBytes(const v1::ScanEntry& entry) { return entry.key().size() + entry.value().size(); }

bool WorthAskingAgain(const v1::OpStatus& status) {
  switch (status.code()) {
    case v1::ERROR_CODE_UNAVAILABLE:
    case v1::ERROR_CODE_OVERLOADED:
    case v1::ERROR_CODE_DEADLINE:
    case v1::ERROR_CODE_TIMED_OUT:
      return true;
    default:
      return false;
  }
}

// A key with this prefix has the prefix's hash tag.
bool HasWholeTag(std::string_view prefix) { return HashedPart(prefix).size() != prefix.size(); }

}  // namespace

std::string EncodeScanCursor(const ScanPosition& position, uint32_t slots,
                             std::string_view prefix) {
  std::string cursor;
  cursor.push_back(kCursorVersion);
  cursor.push_back(static_cast<char>(std::countr_zero(slots)));
  AppendLittleEndian(position.slot.value(), &cursor);
  AppendLittleEndian(TokenOf(prefix).value(), &cursor);
  return cursor + position.after;
}

Result<ScanPosition> DecodeScanCursor(std::string_view cursor, uint32_t slots,
                                      std::string_view prefix) {
  if (cursor.size() < kCursorHeader || cursor.size() > kCursorHeader + kMaxKeyBytes) {
    return Status::InvalidArgument("cursor: not one of a scan");
  }
  if (cursor[0] != kCursorVersion) {
    return Status::InvalidArgument("cursor: of another version; begin the scan again");
  }
  if (cursor[1] != static_cast<char>(std::countr_zero(slots))) {
    return Status::InvalidArgument("cursor: of a cluster with another number of slots");
  }
  ScanPosition position;
  position.slot = SlotId(ReadLittleEndian<uint32_t>(cursor.substr(2)));
  if (position.slot.value() >= slots) return Status::InvalidArgument("cursor: no such slot");
  if (ReadLittleEndian<uint64_t>(cursor.substr(6)) != TokenOf(prefix).value()) {
    return Status::InvalidArgument("cursor: of a scan with another prefix");
  }
  position.after = cursor.substr(kCursorHeader);
  return position;
}

Result<ScanWalk> ScanWalk::Make(const v1::ScanRequest& request, uint32_t slots, Duration idle_limit,
                                MonoTime now) {
  if (request.prefix().size() > kMaxKeyBytes) {
    return Status::InvalidArgument("prefix: longer than a key may be (" +
                                   std::to_string(kMaxKeyBytes) + " bytes)");
  }
  ScanPosition from;
  uint32_t first = 0;
  uint32_t end = slots;
  if (HasWholeTag(request.prefix())) {
    first = SlotOf(TokenOf(request.prefix()), slots).value();
    end = first + 1;
    from.slot = SlotId(first);
  }
  if (!request.cursor().empty()) {
    Result<ScanPosition> decoded = DecodeScanCursor(request.cursor(), slots, request.prefix());
    if (!decoded.ok()) return decoded.status();
    from = *decoded;
    if (from.slot.value() < first || from.slot.value() >= end) {
      return Status::InvalidArgument("cursor: of a scan with another prefix");
    }
  }
  ScanWalk walk;
  walk.slots_ = slots;
  walk.prefix_ = request.prefix();
  walk.keys_only_ = request.keys_only();
  walk.left_ = request.limit() == 0 ? UINT64_MAX : request.limit();
  walk.page_bytes_ = request.page_bytes() == 0 ? kScanPageBytes
                                               : std::min(request.page_bytes(), kScanMaxPageBytes);
  walk.idle_limit_ = idle_limit;
  walk.last_progress_ = now;
  walk.end_slot_ = end;
  walk.next_slot_ = from.slot.value() + 1;
  Slot slot;
  slot.next_after = from.after;
  slot.at = std::move(from);
  walk.window_.push_back(std::move(slot));
  return walk;
}

bool ScanWalk::MayAsk(const Slot& slot, bool first, MonoTime now) const {
  if (slot.asked || slot.complete || !slot.entries.empty() || now < slot.ask_at) return false;
  if (first) return true;  // whatever is buffered: without it nothing goes on
  return in_flight_ < parallel_ &&
         buffered_bytes_ + (in_flight_ + 1) * largest_page_ <= kScanBufferBytes;
}

void ScanWalk::Grow() {
  if (window_.size() >= kScanParallelSlots || next_slot_ >= end_slot_) return;
  Slot slot;
  slot.at.slot = SlotId(next_slot_++);
  window_.push_back(std::move(slot));
}

std::vector<ScanWalk::Request> ScanWalk::Next(MonoTime now) {
  std::vector<Request> requests;
  if (ended_ || failed_) return requests;
  if (failure_.code() != v1::ERROR_CODE_OK && now >= GiveUpAt()) {
    Fail(failure_);
    return requests;
  }
  const auto most = static_cast<uint32_t>(std::min<uint64_t>(left_, kScanMaxPageEntries));
  for (size_t i = 0;; ++i) {
    if (i == window_.size()) Grow();
    if (i == window_.size()) break;
    Slot& slot = window_[i];
    if (!MayAsk(slot, i == 0, now)) {
      if (in_flight_ >= parallel_) break;
      continue;
    }
    slot.asked = true;
    ++in_flight_;
    const uint32_t bytes = i == 0 ? page_bytes_ : std::min(page_bytes_, kPrefetchBytes);
    requests.push_back({slot.at.slot, slot.next_after, bytes, most});
  }
  return requests;
}

void ScanWalk::OnPage(SlotId slot_id, ScanCall::Page page, MonoTime now) {
  RINGKV_CHECK(in_flight_ > 0, "a page answers a request");
  --in_flight_;
  if (ended_ || failed_) return;
  const uint32_t first = window_.front().at.slot.value();
  RINGKV_CHECK(slot_id.value() - first < window_.size(), "a page of a slot that was asked");
  Slot& slot = window_[slot_id.value() - first];
  RINGKV_CHECK(slot.asked, "a page answers a request");
  slot.asked = false;
  if (page.status.outcome() != v1::OUTCOME_DONE) {
    if (!WorthAskingAgain(page.status)) return Fail(std::move(page.status));
    if (failure_.code() == v1::ERROR_CODE_OK) failing_since_ = now;
    failure_ = std::move(page.status);
    Duration wait = kRetryMin;
    for (int i = 0; i < slot.failures && wait < kRetryMax; ++i) wait *= 2;
    ++slot.failures;
    slot.ask_at = now + std::min(wait, kRetryMax);
    return;
  }
  last_progress_ = now;
  failure_.Clear();
  slot.failures = 0;
  slot.complete = page.complete;
  slot.next_after = std::move(page.next_after);
  for (v1::ScanEntry& entry : page.entries) {
    slot.bytes += EntryBytes(entry);
    slot.entries.push_back(std::move(entry));
  }
  buffered_bytes_ += slot.bytes;
  // Falls slowly again after large values were met.
  largest_page_ = std::max({largest_page_ - largest_page_ / 8, slot.bytes, size_t{16} << 10});
  parallel_ = std::min(parallel_ * 2, kScanParallelSlots);
}

MonoTime ScanWalk::NextDue() const {
  if (ended_ || failed_) return kNever;
  MonoTime due = kNever;
  for (const Slot& slot : window_) {
    if (!slot.asked && slot.failures > 0) due = std::min(due, slot.ask_at);
  }
  if (failure_.code() != v1::ERROR_CODE_OK) due = std::min(due, GiveUpAt());
  return due;
}

void ScanWalk::Fail(v1::OpStatus status) {
  failed_ = true;
  failure_ = std::move(status);
}

void ScanWalk::Advance() {
  while (!window_.empty() && window_.front().complete && window_.front().entries.empty()) {
    window_.pop_front();
    if (window_.empty()) Grow();
  }
}

bool ScanWalk::Full(const v1::ScanResponse& response) const {
  return taken_bytes_ >= page_bytes_ ||
         static_cast<uint32_t>(response.entries_size()) >= kScanMaxPageEntries;
}

ScanPosition ScanWalk::Position() const { return window_.front().at; }

void ScanWalk::Take(v1::ScanResponse* response) {
  if (response->entries_size() == 0) taken_bytes_ = 0;
  Advance();
  while (!window_.empty() && !window_.front().entries.empty() && left_ > 0 && !Full(*response)) {
    Slot& slot = window_.front();
    v1::ScanEntry& entry = slot.entries.front();
    const size_t bytes = EntryBytes(entry);
    slot.at.after = entry.key();
    *response->add_entries() = std::move(entry);
    slot.entries.pop_front();
    slot.bytes -= bytes;
    buffered_bytes_ -= bytes;
    taken_bytes_ += bytes;
    --left_;
    Advance();
  }
  response->mutable_status()->set_outcome(v1::OUTCOME_DONE);
  if (window_.empty()) {
    ended_ = true;
    response->clear_cursor();
    return;
  }
  response->set_cursor(EncodeScanCursor(Position(), slots_, prefix_));
  if (left_ == 0) {
    ended_ = true;
  } else if (failed_ && window_.front().entries.empty()) {
    // What was read before the slot that failed has been given out; what comes after it is read
    // again from the cursor.
    ended_ = true;
    *response->mutable_status() = failure_;
  }
}

}  // namespace ringkv
