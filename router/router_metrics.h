// What a scrape is told beside the clients' operations: shards, slots, nodes, links, the metadata's
// store, the build. All from the last sample and the balancer's counts; nothing is asked of a loop.
// Borrows all for as long as the registration lives.
#pragma once

#include "base/metrics.h"
#include "ring/load_balancer.h"
#include "router/cluster_status.h"
#include "router/embedded_metadata.h"

namespace ringkv {

Metrics::Registration AddRouterCollector(const ClusterStatus& status, const ServingGate& gate,
                                         const EmbeddedMetadata& metadata,
                                         const LoadBalancer& nodes, Metrics& metrics);

}  // namespace ringkv
