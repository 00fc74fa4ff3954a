// Looks at what listens where a router should be, once a command could not reach one: a wrong port
// is the usual reason, and gRPC does not say so. Takes half a second at most, beside
// what it takes to look up the name, and sends nothing that a server could take for a request of a
// client.
#pragma once

#include <string>

namespace ringkv {

// For people; empty where it seems to be a gRPC server after all.
std::string ExplainStranger(const std::string& address);

}  // namespace ringkv
