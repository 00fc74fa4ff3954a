// kvnode: a storage node.
#include "base/config_schema.h"
#include "kvnode/node_options.h"
#include "kvnode/node_server_grpc.h"
#include "net/daemon.h"

int main(int argc, char** argv) {
  ringkv::NodeOptions options;
  ringkv::ConfigSchema schema("kvnode",
                              "Stores the records of the slots that routers place on it.");
  ringkv::AddNodeOptions(&options, &schema);
  ringkv::NodeServer server(options);
  return ringkv::RunDaemon(schema, server, argc, argv);
}
