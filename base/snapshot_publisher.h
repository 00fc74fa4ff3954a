// SnapshotPublisher<T>: one immutable value that many threads read and a few replace.
//
// Guarantees
//  1. A reader gets the value by one atomic load (acquire). It takes no lock and writes to no cache
//     line that another reader touches.
//  2. Publish never waits for readers. What it replaces is kept until no reader can use it.
//  3. What a reader got stays good until its next Quiescent, Offline or end.
//  4. A reader never sees an older value after a newer one.
//
// How: quiescent states (McKenney, Slingwine, "Read-Copy Update: Using Execution History to Solve
// Concurrency Problems", 1998). A reader says now and then that it uses nothing it got before. A
// replaced value is freed by a writer, at the next Publish or by Reclaim, once every online reader
// has said so since. A reader that neither says so nor goes offline holds back all that is replaced
// meanwhile: retired() tells how much. Why the memory orders suffice is told in the .cc.
//
// Thread-safety: the publisher's functions from any thread, writers being serialised by a mutex
// that readers take only to come and to go. A reader belongs to one thread at a time. The publisher
// outlives its readers. A value is destroyed by whoever calls Publish, Reclaim or holds it last.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

namespace ringkv {

// What different threads write is kept this far apart.
inline constexpr size_t kCacheLineBytes = 64;

class SnapshotReaderBase;

// All but the type of the value.
class SnapshotPublisherBase {
 public:
  SnapshotPublisherBase(const SnapshotPublisherBase&) = delete;
  SnapshotPublisherBase& operator=(const SnapshotPublisherBase&) = delete;

  // Frees what no reader can use any more. How many replaced values are still kept.
  size_t Reclaim();
  // How many replaced values are kept for readers.
  size_t retired() const;

 protected:
  explicit SnapshotPublisherBase(std::shared_ptr<const void> first);
  ~SnapshotPublisherBase();

  void PublishAny(std::shared_ptr<const void> next);
  std::shared_ptr<const void> current_any() const;

 private:
  friend class SnapshotReaderBase;
  struct Retired {
    uint64_t version;  // the first that does not have it any more
    std::shared_ptr<const void> value;
  };

  void Register(SnapshotReaderBase* reader);
  void Unregister(SnapshotReaderBase* reader);
  std::vector<Retired> TakeFree();  // mutex_ held; to be destroyed without it

  // Read by all, written by Publish only.
  alignas(kCacheLineBytes) std::atomic<const void*> current_;
  std::atomic<uint64_t> version_{1};

  alignas(kCacheLineBytes) mutable std::mutex mutex_;
  std::shared_ptr<const void> owner_;         // guarded by mutex_; of current_
  std::vector<SnapshotReaderBase*> readers_;  // guarded by mutex_
  std::deque<Retired> retired_;               // guarded by mutex_; by version
};

class SnapshotReaderBase {
 public:
  SnapshotReaderBase(const SnapshotReaderBase&) = delete;
  SnapshotReaderBase& operator=(const SnapshotReaderBase&) = delete;

  // Nothing got before is used any more. Where a thread turns to its next task; cheap enough for
  // every request.
  void Quiescent() {
    announced_.store(publisher_.version_.load(std::memory_order_acquire),
                     std::memory_order_release);
  }

  // Before a thread blocks: nothing got before is used, and nothing is got before Online.
  void Offline() { announced_.store(kOffline, std::memory_order_release); }
  void Online();

 protected:
  explicit SnapshotReaderBase(SnapshotPublisherBase& publisher);  // online
  ~SnapshotReaderBase();

  const void* current_any() const { return publisher_.current_.load(std::memory_order_acquire); }

 private:
  friend class SnapshotPublisherBase;
  static constexpr uint64_t kUsesAnything = 0;  // below every version
  static constexpr uint64_t kOffline = UINT64_MAX;

  // Of the publisher's versions, the one up to which nothing replaced is used. On a line of its
  // own: written by this reader, read by writers.
  alignas(kCacheLineBytes) std::atomic<uint64_t> announced_{kUsesAnything};
  SnapshotPublisherBase& publisher_;
};

template <class T>
class SnapshotPublisher : public SnapshotPublisherBase {
 public:
  // `first` and `next` are never null.
  explicit SnapshotPublisher(std::shared_ptr<const T> first)
      : SnapshotPublisherBase(std::move(first)) {}

  void Publish(std::shared_ptr<const T> next) { PublishAny(std::move(next)); }

  // For those who keep it, or are no registered reader. Takes the writers' mutex.
  std::shared_ptr<const T> current() const {
    return std::static_pointer_cast<const T>(current_any());
  }
};

// One for each thread that reads.
template <class T>
class SnapshotReader : public SnapshotReaderBase {
 public:
  explicit SnapshotReader(SnapshotPublisher<T>& publisher) : SnapshotReaderBase(publisher) {}

  // The newest value. Needs to be online.
  const T& value() const { return *static_cast<const T*>(current_any()); }
};

}  // namespace ringkv
