#include "kvnode/scrub.h"

#include <algorithm>
#include <utility>

#include "base/logging.h"
#include "kvnode/instance_facts.h"
#include "kvnode/record_codec.h"

namespace ringkv {

Scrub::Scrub(Store& store, const Clock& clock, Random random, const Options& options)
    : store_(store), clock_(clock), random_(random), options_(options) {
  next_page_ = next_look_ = clock.Now();
}

Result<MonoTime> Scrub::Step() {
  const MonoTime now = clock_.Now();
  if (next_look_ <= now) {
    next_look_ = now + options_.look_again;
    if (Status looked = LookAgain(); !looked.ok()) return looked;
  }
  if (next_page_ <= now) {
    Status read = instances_.empty() ? BeginCycle() : ReadPage();
    if (!read.ok()) return read;
  }
  return damaged_.empty() ? next_page_ : std::min(next_page_, next_look_);
}

Status Scrub::BeginCycle() {
  const auto facts = ReadInstanceFacts(store_);
  if (!facts.ok()) return facts.status();
  for (const InstanceFact& instance : *facts) {
    if (!instance.fact.retired()) instances_.push_back(instance.name);
  }
  began_ = clock_.Now();
  at_ = 0;
  after_.clear();
  if (instances_.empty()) {
    next_page_ = began_ + std::min<Duration>(options_.period, std::chrono::seconds(1));
    return Status::Ok();
  }
  const auto first = static_cast<std::ptrdiff_t>(random_.Below(instances_.size()));
  std::rotate(instances_.begin(), instances_.begin() + first, instances_.end());
  next_page_ = began_;
  return Status::Ok();
}

Status Scrub::ReadPage() {
  const InstanceName& instance = instances_[at_];
  ScanLimits limits;
  limits.max_bytes = 1 << 20;
  limits.max_entries = 4'096;
  limits.past_damage = true;
  const auto page = store_.Scan(instance.slot, instance.inc, after_, "", limits);
  if (!page.ok()) return page.status();
  uint64_t bytes = 0;
  for (const StoredEntry& entry : page->entries) {
    bytes += entry.key.size() + entry.record.value().size();
    after_ = std::max(after_, entry.key);
  }
  for (const DamagedRecord& record : page->damaged) {
    Remember(instance, record);
    after_ = std::max(after_, record.key);
  }
  for (const DamagedStretch& stretch : page->stretches) {
    ++stretches_now_;
    RINGKV_LOG(
        kError, "scrub",
        "a stretch of slot {} cannot be read: {}; the disk is damaged, and has to be replaced "
        "by an empty one (kvctl admin check says what it hides)",
        instance.slot.value(), stretch.why.message());
  }
  stats_.records += page->entries.size();
  stats_.bytes += bytes;
  stats_.stretches = stretches_now_ + stretches_last_;
  const Duration cost(static_cast<int64_t>(static_cast<double>(bytes) * 1e9 /
                                           static_cast<double>(options_.max_bytes_per_second)));
  next_page_ = clock_.Now() + cost;
  if (page->complete) NextInstance();
  return Status::Ok();
}

// Each has its time; one that took longer than that does not hold up the next.
void Scrub::NextInstance() {
  ++at_;
  after_.clear();
  const double share = static_cast<double>(at_) / static_cast<double>(instances_.size());
  const MonoTime planned =
      began_ + Duration(static_cast<int64_t>(share * static_cast<double>(options_.period.count())));
  next_page_ = std::max(next_page_, planned);
  if (at_ < instances_.size()) return;
  ++stats_.cycles;
  stretches_last_ = std::exchange(stretches_now_, 0);
  instances_.clear();
}

void Scrub::Remember(const InstanceName& instance, const DamagedRecord& record) {
  if (damaged_.size() >= options_.max_remembered) return;
  const bool made =
      damaged_.emplace(instance.slot.value(), instance.inc.value(), record.key).second;
  if (!made) return;
  ++stats_.unreadable_found;
  stats_.unreadable = damaged_.size();
  RINGKV_LOG(kWarning, "scrub", "{}; its owner is told, and sends it again", record.why.message());
}

// What its owner has mended, or nobody has any more, is forgotten.
Status Scrub::LookAgain() {
  for (auto it = damaged_.begin(); it != damaged_.end();) {
    const auto& [slot, inc, key] = *it;
    const RecordKey name{SlotId(slot), Incarnation(inc), key};
    RecordLookup found;
    store_.MultiGet({&name, 1}, {&found, 1});
    if (found.status.code() == StatusCode::kIoError) return found.status;
    if (!found.status.ok()) {
      ++it;
      continue;
    }
    ++stats_.mended;
    RINGKV_LOG(kInfo, "scrub", "{} can be read again", DescribeStoreKey(EncodeStoreKey(name)));
    it = damaged_.erase(it);
  }
  stats_.unreadable = damaged_.size();
  return Status::Ok();
}

std::vector<v1::DamagedKey> Scrub::damaged() const {
  std::vector<v1::DamagedKey> keys;
  for (const Name& name : damaged_) {
    v1::DamagedKey& key = keys.emplace_back();
    key.set_slot(std::get<0>(name));
    key.set_inc(std::get<1>(name));
    key.set_key(std::get<2>(name));
  }
  return keys;
}

}  // namespace ringkv
