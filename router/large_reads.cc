#include "router/large_reads.h"

#include <algorithm>
#include <functional>

#include "base/check.h"

namespace ringkv {

LargeReads::Turn LargeReads::Ask(const Reader& asked, MonoTime now) {
  RINGKV_CHECK(places_.count(asked.call) == 0, "a call asks for room once");
  Reader reader = asked;
  reader.bytes = std::min(reader.bytes, room_);
  if (!waited_for() && taken_ + reader.bytes <= room_) {
    Admit(reader.call, reader.bytes, now);
    return Turn::kNow;
  }
  if (now + Expected(waiting_ + reader.bytes) > reader.deadline) return Turn::kTooLate;
  places_[reader.call] = {reader.bytes, now, true};
  waiting_ += reader.bytes;
  line_.push_back(reader);
  return Turn::kLater;
}

void LargeReads::Admit(uint64_t call, size_t bytes, MonoTime now) {
  places_[call] = {bytes, now, false};
  taken_ += bytes;
}

void LargeReads::End(uint64_t call, MonoTime now) {
  auto found = places_.find(call);
  if (found == places_.end()) return;
  const Place place = found->second;
  places_.erase(found);
  if (place.waits) {
    waiting_ -= place.bytes;
    return;
  }
  taken_ -= place.bytes;
  const auto took = static_cast<double>((now - place.since).count());
  usual_ns_ += (took - usual_ns_) / 8;
}

std::vector<LargeReads::Reader> LargeReads::TakeTurns(MonoTime now) {
  std::vector<Reader> turns;
  while (!line_.empty()) {
    const Reader& next = line_.front();
    auto found = places_.find(next.call);
    if (found != places_.end() && found->second.waits) {
      const size_t bytes = found->second.bytes;
      if (taken_ + bytes > room_) break;
      waiting_ -= bytes;
      Admit(next.call, bytes, now);
      turns.push_back(next);
    }
    line_.pop_front();
  }
  return turns;
}

// The room is emptied once in the usual time. The bytes that are being read are on average half
// done, and its own are counted as if they came last.
Duration LargeReads::Expected(size_t bytes_before) const {
  const double rounds =
      static_cast<double>(bytes_before) / static_cast<double>(std::max<size_t>(room_, 1)) + 1;
  return Duration(static_cast<int64_t>(rounds * usual_ns_));
}

uint64_t LargeKeys::HashOf(SlotId slot, std::string_view key) {
  return std::hash<std::string_view>()(key) ^ (slot.value() * 0x9E3779B97F4A7C15u);
}

size_t LargeKeys::Find(SlotId slot, std::string_view key) const {
  const uint64_t hash = HashOf(slot, key);
  const Entry& entry = entries_[hash % entries_.size()];
  return entry.hash == hash ? entry.bytes : 0;
}

void LargeKeys::Note(SlotId slot, std::string_view key, size_t bytes) {
  const uint64_t hash = HashOf(slot, key);
  entries_[hash % entries_.size()] = {hash, bytes};
}

void LargeKeys::Forget(SlotId slot, std::string_view key) {
  const uint64_t hash = HashOf(slot, key);
  Entry& entry = entries_[hash % entries_.size()];
  if (entry.hash == hash) entry = {};
}

}  // namespace ringkv
