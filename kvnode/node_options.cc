#include "kvnode/node_options.h"

#include <algorithm>
#include <thread>

#include "base/address.h"
#include "base/config_values.h"
#include "base/ids.h"
#include "base/limits.h"

namespace ringkv {

void AddNodeOptions(NodeOptions* options, ConfigSchema* schema) {
  schema
      ->AddString(
          "id", &options->id, "The node's name in the cluster, for good.",
          [](const std::string& text) { return NodeId::Parse(text).status(); },
          "1 to 63 of [a-z0-9-], starting with a letter or digit")
      .Required();
  schema->AddAddress("listen", &options->listen, PortZero::kAllowed, "Where the node serves gRPC.");
  schema->AddAddress("advertise", &options->advertise, PortZero::kRefused,
                     "Where routers and other nodes reach it; by default as `listen`.");
  schema->AddAddress("http-listen", &options->http_listen, PortZero::kAllowed,
                     "Where it serves /livez, /readyz and /metrics.");
  schema->AddString("data-dir", &options->data_dir,
                    "Directory of its data; made if it is not there.");
  schema->AddAddresses("routers", &options->routers, "Routers to register with, in any order.");
  schema->AddString("zone", &options->zone, "Failure domain, such as a rack; empty: none.",
                    CheckZone, "1 to 63 of [A-Za-z0-9._-]");
  schema->AddUint("vnodes", &options->vnodes, 1, kMaxVnodes,
                  "Weight to ask for when the node joins; `kvctl admin` has the last word.");
  schema->AddOneOf("durability", &options->durability, {"sync", "periodic", "os"},
                   "When a write survives a loss of power: before it is acknowledged, within "
                   "sync-interval, or when the operating system gets round to it.");
  schema->AddDuration("sync-interval", &options->sync_interval, std::chrono::milliseconds(1),
                      std::chrono::minutes(1), "How often `periodic` syncs.");
  schema->AddBytes("block-cache", &options->block_cache_bytes, 1ull << 20, 1ull << 40,
                   "Memory for what was read from disk.");
  schema->AddBytes("memtable", &options->memtable_bytes, 1ull << 20, 1ull << 36,
                   "Memory for what was written and is not in table files yet.");
  schema->AddUint("workers", &options->workers, 0, 256,
                  "Threads that execute operations; 0: one a core, at most 4.");
  schema->AddOneOf("compression", &options->compression, {"lz4", "none"},
                   "How table files are compressed.");
  schema->AddDuration("scrub", &options->scrub, Duration::zero(), std::chrono::hours(24 * 365),
                      "How long the node takes to read all that it holds once, in the background, "
                      "in search of damage; 0s: never.");
  schema->AddOneOf(
      "damaged-disk", &options->damaged_disk, {"replace", "keep"},
      "When a damaged file is met: `replace` moves the data directory aside and starts "
      "empty, once the routers say that the other replicas have everything; `keep` "
      "leaves it to an operator.");
  schema->AddBytes("disk-reserve", &options->disk_reserve_bytes, 0, 1ull << 50,
                   "With less free space than this the node takes no more values, but reads and "
                   "deletes; 0: it goes on until the disk fails.");
  schema->AddCheck([options] { return CheckNodeOptions(*options); });
}

ConfigConflict CheckNodeOptions(const NodeOptions& options) {
  const auto wrong = [](const char* key, std::string what) -> ConfigConflict {
    return {key, Status::InvalidArgument(std::move(what))};
  };
  Result<HostPort> listen = ParseAddress(options.listen, PortZero::kAllowed);
  if (!listen.ok()) return {"listen", listen.status()};
  bool anywhere = listen->host == "0.0.0.0" || listen->host == "::";
  if (anywhere && options.advertise.empty()) {
    return wrong("listen", options.listen +
                               ", which others cannot connect to: set `advertise` to the "
                               "host:port where routers reach this node");
  }
  if (options.listen == options.http_listen && listen->port != 0) {
    return wrong("http-listen", "the same address as `listen`: give it another port");
  }
  if (options.routers.empty()) {
    return wrong("routers", "none is named: give at least one host:port, a router's gRPC address");
  }
  if (options.data_dir.empty()) return wrong("data-dir", "it must not be empty");
  return {};
}

RocksOptions RocksOptionsOf(const NodeOptions& options) {
  RocksOptions rocks;
  rocks.durability = options.durability == "sync" ? Durability::kSync
                     : options.durability == "os" ? Durability::kOs
                                                  : Durability::kPeriodic;
  auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(options.sync_interval).count();
  rocks.sync_interval_ms = static_cast<uint32_t>(std::max<int64_t>(1, ms));
  rocks.block_cache_bytes = options.block_cache_bytes;
  rocks.memtable_bytes = options.memtable_bytes;
  rocks.compression = options.compression == "none" ? Compression::kNone : Compression::kLz4;
  return rocks;
}

size_t WorkersOf(const NodeOptions& options) {
  if (options.workers > 0) return options.workers;
  return std::clamp<size_t>(std::thread::hardware_concurrency(), 1, 4);
}

}  // namespace ringkv
