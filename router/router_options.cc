#include "router/router_options.h"

#include <algorithm>
#include <thread>

#include "base/address.h"
#include "base/ids.h"
#include "base/limits.h"
#include "ring/hash.h"

namespace ringkv {

void AddRouterOptions(RouterOptions* options, ConfigSchema* schema) {
  schema->AddString(
      "id", &options->id, "The router's name.",
      [](const std::string& text) { return NodeId::Parse(text).status(); },
      "1 to 63 of [a-z0-9-], starting with a letter or digit");
  schema->AddAddress("listen", &options->listen, PortZero::kAllowed,
                     "Where clients, kvctl and nodes reach it (gRPC).");
  schema->AddAddress("http-listen", &options->http_listen, PortZero::kAllowed,
                     "Where it serves /livez, /readyz, /metrics, /api/v1 and its page (HTTP).");
  schema
      ->AddString("data-dir", &options->data_dir,
                  "Directory of the cluster's metadata; made if it is not there.")
      .Required();
  schema->AddNodes("nodes", &options->nodes,
                   "The first nodes; counts only when the cluster is formed.");
  schema->AddUint("replicas", &options->replicas, 1, kMaxReplicas,
                  "Copies of each key; counts only when the cluster is formed.");
  schema->AddUint("slots", &options->slots, kMinSlots, kMaxSlots,
                  "Slots of the ring, a power of two; counts only when the cluster is formed.");
  schema->AddUint("loops", &options->loops, 0, 64,
                  "Event loops that own the slots; 0: one a core, at most 8.");
  schema->AddDuration("default-timeout", &options->default_timeout, std::chrono::milliseconds(10),
                      std::chrono::minutes(10),
                      "For calls that do not say how long they may take.");
  schema->AddDuration("suspect-after", &options->suspect_after, std::chrono::milliseconds(100),
                      std::chrono::minutes(1), "A node that is silent for so long counts as down.");
  schema->AddDuration("stop-timeout", &options->stop_timeout, Duration::zero(),
                      std::chrono::minutes(10), "How long a stop waits for calls in flight.");
  schema->AddBytes(
      "max-in-flight", &options->max_in_flight_bytes, 16u << 20, 1ull << 40,
      "Keys and values of calls in flight; beyond it calls are refused as overloaded.");
  schema->AddCheck([options] { return CheckRouterOptions(*options); });
}

ConfigConflict CheckRouterOptions(const RouterOptions& options) {
  const auto wrong = [](const char* key, std::string what) -> ConfigConflict {
    return {key, Status::InvalidArgument(std::move(what))};
  };
  if (options.data_dir.empty()) return wrong("data-dir", "it must not be empty");
  if (!IsSlotCount(options.slots)) {
    return wrong("slots", std::to_string(options.slots) +
                              "; it must be a power of two from 16 to 67108864, such as 4096");
  }
  const Result<HostPort> listen = ParseAddress(options.listen, PortZero::kAllowed);
  if (!listen.ok()) return {"listen", listen.status()};
  if (options.listen == options.http_listen && listen->port != 0) {
    return wrong("http-listen", "the same address as `listen`: give it another port");
  }
  return {};
}

size_t LoopsOf(const RouterOptions& options) {
  if (options.loops > 0) return options.loops;
  return std::clamp<size_t>(std::thread::hardware_concurrency(), 1, 8);
}

}  // namespace ringkv
