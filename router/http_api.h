// The router's HTTP routes: health, metrics, JSON for scripts, and a page for people. Adds them to
// a server that has not started; borrows all until that server has stopped.
#pragma once

#include "base/metrics.h"
#include "net/http_server.h"
#include "router/cluster_status.h"

namespace ringkv {

void AddHttpRoutes(ClusterStatus& status, Metrics& metrics, HttpServer* server);

}  // namespace ringkv
