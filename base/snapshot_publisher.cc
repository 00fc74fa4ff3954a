// Why nothing is freed under a reader.
//
// Publish, in this order:  (w1) current_ := next      (w2) version_ := V, the old value retires at
// V and then, or later:      (w3) reads announced_ of every reader; frees where all are at V or
// above
//
// A reader that stays online: Quiescent reads version_ (r1), then writes it to announced_ (r2).
//  - Every use of an old value comes before r2 in its thread. r2 is a release that w3 acquires, so
//    the use happens before the value is freed.
//  - Can it get the old value again after announcing V or more? r1 is an acquire that read what w2
//    (a release) or a later one wrote, so w1 happens before all that the reader loads from current_
//    afterwards; by coherence it gets that value or a newer one. The same argument gives guarantee
//    4 its order between version_ and current_.
//
// A reader that comes online is the one hard case: it tells others (announced_) and then reads
// (current_), while the writer writes (current_) and then looks (announced_). With acquire and
// release alone each may miss the other: the writer sees "offline" and frees what the reader has
// just got. Hence the four accesses marked seq_cst, which have a single total order:
//      Online:  (o1) announced_ := kUsesAnything     (o2) reads version_
//      Publish: (w2) version_ := V                   (w3) reads announced_
// Either w3 comes after o1: the writer sees kUsesAnything (or what the reader announced since) and
// keeps the value. Or w3 comes before o1, so w2 comes before o2: the reader reads V or more, and is
// then in the place of one that announced V (r1 above): it cannot get the old value any more.
//
// What w3 reads may be out of date. It is then lower than the truth, or from an earlier time
// online: whatever version it names was announced, and what was announced stays true.
#include "base/snapshot_publisher.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace ringkv {

SnapshotPublisherBase::SnapshotPublisherBase(std::shared_ptr<const void> first)
    : current_(first.get()), owner_(std::move(first)) {
  RINGKV_CHECK(owner_ != nullptr, "there is always a value");
}

SnapshotPublisherBase::~SnapshotPublisherBase() {
  RINGKV_CHECK(readers_.empty(), "a publisher outlives its readers");
}

void SnapshotPublisherBase::PublishAny(std::shared_ptr<const void> next) {
  RINGKV_CHECK(next != nullptr, "there is always a value");
  std::vector<Retired> free;
  {
    std::lock_guard lock(mutex_);
    // Release: a reader that gets the pointer sees the whole value.
    current_.store(next.get(), std::memory_order_release);
    const uint64_t version = version_.load(std::memory_order_relaxed) + 1;
    version_.store(version, std::memory_order_seq_cst);
    retired_.push_back({version, std::exchange(owner_, std::move(next))});
    free = TakeFree();
  }
}

size_t SnapshotPublisherBase::Reclaim() {
  std::vector<Retired> free;
  std::lock_guard lock(mutex_);
  free = TakeFree();
  return retired_.size();
}

size_t SnapshotPublisherBase::retired() const {
  std::lock_guard lock(mutex_);
  return retired_.size();
}

std::shared_ptr<const void> SnapshotPublisherBase::current_any() const {
  std::lock_guard lock(mutex_);
  return owner_;
}

std::vector<SnapshotPublisherBase::Retired> SnapshotPublisherBase::TakeFree() {
  uint64_t announced = SnapshotReaderBase::kOffline;
  for (const SnapshotReaderBase* reader : readers_) {
    announced = std::min(announced, reader->announced_.load(std::memory_order_seq_cst));
  }
  std::vector<Retired> free;
  while (!retired_.empty() && retired_.front().version <= announced) {
    free.push_back(std::move(retired_.front()));
    retired_.pop_front();
  }
  return free;
}

void SnapshotPublisherBase::Register(SnapshotReaderBase* reader) {
  std::lock_guard lock(mutex_);
  readers_.push_back(reader);
}

void SnapshotPublisherBase::Unregister(SnapshotReaderBase* reader) {
  std::lock_guard lock(mutex_);
  std::erase(readers_, reader);
}

// The mutex orders the reader's coming before or after any Publish, and its end before anything is
// freed for it.
SnapshotReaderBase::SnapshotReaderBase(SnapshotPublisherBase& publisher) : publisher_(publisher) {
  publisher_.Register(this);
  Quiescent();
}

SnapshotReaderBase::~SnapshotReaderBase() { publisher_.Unregister(this); }

void SnapshotReaderBase::Online() {
  announced_.store(kUsesAnything, std::memory_order_seq_cst);
  announced_.store(publisher_.version_.load(std::memory_order_seq_cst), std::memory_order_release);
}

}  // namespace ringkv
