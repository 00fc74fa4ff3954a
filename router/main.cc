// kvrouter: owns the slots of a cluster and serves its clients.
#include "base/config_schema.h"
#include "net/daemon.h"
#include "router/router_options.h"
#include "router/router_server_grpc.h"

int main(int argc, char** argv) {
  ringkv::RouterOptions options;
  ringkv::ConfigSchema schema("kvrouter", "Serves clients, and orders the writes of the cluster.");
  ringkv::AddRouterOptions(&options, &schema);
  ringkv::RouterServer server(options);
  return ringkv::RunDaemon(schema, server, argc, argv);
}
