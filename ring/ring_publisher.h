// The ring as threads share it: published by a swap, read without a lock, freed when no reader can
// use it any more. Guarantees, duties and thread-safety are those of base/snapshot_publisher.h.
//
//   RingPublisher rings(first);              // one, outlives its readers
//   RingReader reader(rings);                // one for each thread
//   auto row = reader.ring().ReplicasOfKey(key);
//   reader.Quiescent();                      // between requests: the ring got before is let go
//   reader.Offline(); Block(); reader.Online();
//   rings.Publish(next);                     // any thread; waits for no reader
#pragma once

#include "base/snapshot_publisher.h"
#include "ring/ring.h"

namespace ringkv {

using RingPublisher = SnapshotPublisher<Ring>;

class RingReader : public SnapshotReader<Ring> {
 public:
  using SnapshotReader<Ring>::SnapshotReader;

  // The newest ring; good until the next Quiescent or Offline.
  const Ring& ring() const { return value(); }
};

}  // namespace ringkv
