#include "bench/overload/memory_bounds.h"

#include "base/limits.h"
#include "kvnode/node_worker.h"
#include "kvnode/replica_service_grpc.h"
#include "router/node_link_grpc.h"
#include "router/shard.h"

namespace ringkv::bench {
namespace {

// What no option says: measured, and rounded up.
constexpr uint64_t kProcessBytes = 48u << 20;  // started and idle, without data
constexpr uint64_t kCallBytes = 1u << 10;      // of a call in flight, beside key and value
constexpr uint64_t kBehindKeyBytes = 256;      // of a key that a node is behind on, if it is short
constexpr uint64_t kClientStreamBytes = 64u << 10;  // of a connection with one stream
constexpr uint64_t kTableBytes = 16u << 10;         // of an open table file

constexpr uint64_t kStreamsToANode = 2;  // small and large values

}  // namespace

uint64_t MemoryBound::total() const {
  uint64_t sum = 0;
  for (const MemoryPart& part : parts) sum += part.bytes;
  return sum;
}

MemoryBound RouterMemoryBound(const RouterOptions& options, uint64_t nodes, uint64_t streams) {
  const ShardOptions shard;
  const NodeLinkOptions link;
  const uint64_t loops = LoopsOf(options);
  return {{
      {"process", kProcessBytes},
      {"keys and values of calls in flight (max-in-flight)", options.max_in_flight_bytes},
      {"calls in flight", shard.max_calls * kCallBytes},
      {"outboxes to nodes", loops * nodes * kStreamsToANode * link.max_outbox_bytes},
      {"messages of nodes", loops * nodes * kStreamsToANode * kMaxMessageBytes},
      {"large values being read", loops * shard.large_read_bytes},
      {"answers that clients have not taken (max-in-flight)", options.max_in_flight_bytes},
      {"keys that nodes are behind on", loops * nodes * shard.max_behind_keys * kBehindKeyBytes},
      {"client streams", streams * kClientStreamBytes},
  }};
}

MemoryBound NodeMemoryBound(const NodeOptions& options, uint64_t streams) {
  const RocksOptions rocks = RocksOptionsOf(options);
  const WorkerLimits worker;
  const StreamLimits stream;
  const uint64_t workers = WorkersOf(options);
  return {{
      {"process", kProcessBytes},
      {"block cache (block-cache)", rocks.block_cache_bytes},
      {"memtables (memtable)", rocks.memtable_bytes},
      {"open table files", rocks.max_open_files * kTableBytes},
      {"queues of workers", workers * worker.queue_bytes},
      {"answers of turns", workers * worker.turn_reply_bytes},
      {"batches on streams", streams * (stream.waiting_bytes + kMaxMessageBytes)},
      {"answers on streams", streams * stream.congested_bytes},
  }};
}

}  // namespace ringkv::bench
