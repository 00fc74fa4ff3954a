// What kvrouter can be told. Plain values.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/config_schema.h"
#include "base/status.h"

namespace ringkv {

struct RouterOptions {
  std::string id = "r1";
  std::string listen = "127.0.0.1:7400";
  std::string http_listen = "127.0.0.1:7401";
  std::string data_dir;
  std::vector<NodeEntry> nodes;
  uint32_t replicas = 3;
  uint32_t slots = 4096;
  uint32_t loops = 0;  // 0: one a core, at most 8
  Duration default_timeout = std::chrono::seconds(5);
  Duration suspect_after = std::chrono::milliseconds(500);
  Duration stop_timeout = std::chrono::seconds(5);
  uint64_t max_in_flight_bytes = 256u << 20;
};

// Binds the fields to the schema's keys.
void AddRouterOptions(RouterOptions* options, ConfigSchema* schema);

// What no single key shows to be wrong; the schema has it checked, too. InvalidArgument says what
// to change.
ConfigConflict CheckRouterOptions(const RouterOptions& options);

size_t LoopsOf(const RouterOptions& options);

}  // namespace ringkv
