// What a kvnode can be told, and how: the options of its configuration (base/config.h).
// Plain values; the schema borrows the options.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/config_schema.h"
#include "base/status.h"
#include "kvnode/rocks_store.h"

namespace ringkv {

struct NodeOptions {
  std::string id;
  std::string listen = "127.0.0.1:7500";
  std::string advertise;  // empty: as `listen`
  std::string http_listen = "127.0.0.1:7501";
  std::string data_dir = "./data";
  std::vector<std::string> routers{"127.0.0.1:7400"};
  std::string zone;
  uint32_t vnodes = 128;
  std::string durability = "periodic";
  Duration sync_interval = std::chrono::milliseconds(100);
  uint64_t block_cache_bytes = 128ull << 20;
  uint64_t memtable_bytes = 64ull << 20;
  uint32_t workers = 0;  // 0: one a core, at most 4
  std::string compression = "lz4";
  Duration scrub = std::chrono::hours(24);  // zero: never
  std::string damaged_disk = "replace";
  uint64_t disk_reserve_bytes = 256ull << 20;
};

void AddNodeOptions(NodeOptions* options, ConfigSchema* schema);

// What no single option shows to be wrong; the schema has it checked, too. InvalidArgument says
// what to change.
ConfigConflict CheckNodeOptions(const NodeOptions& options);

RocksOptions RocksOptionsOf(const NodeOptions& options);
size_t WorkersOf(const NodeOptions& options);

}  // namespace ringkv
