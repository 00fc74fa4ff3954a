// The one door of gRPC: every channel and every server of the project is made here, so that limits,
// keepalive and, later, TLS and tokens are the same everywhere.
//
// Channels and servers take messages up to kMaxMessageBytes. A server has grpc.health.v1 and server
// reflection. gRPC's own types are only named here; whoever uses them includes <grpcpp/…> in a file
// whose name contains `grpc`. Thread-safety: MakeChannel from any thread; a GrpcServer's Start and
// Stop from one thread, SetServing from any in between.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/limits.h"
#include "base/status.h"

namespace grpc {
class Channel;
class Server;
class Service;
}  // namespace grpc

namespace ringkv {

enum class Connection {
  kShared,  // with all other channels of the process to the same address
  kOwn,     // a TCP connection of its own: what is slow here holds up nobody elsewhere
};

struct ChannelOptions {
  Connection connection = Connection::kShared;
  size_t max_message_bytes = kMaxMessageBytes;
  // Pauses between attempts. gRPC 1.51 raises what is below 100 ms to 100 ms.
  Duration connect_backoff_min = std::chrono::milliseconds(50);
  Duration connect_backoff_max = std::chrono::milliseconds(500);
  // What one attempt gets before it is given up. It bounds how long a network that came back goes
  // unnoticed.
  Duration connect_timeout = std::chrono::seconds(2);
  // A connection without any sign of life for this long is asked for one, and dropped without it.
  Duration keepalive_interval = std::chrono::seconds(10);
  Duration keepalive_timeout = std::chrono::seconds(5);
};

// Connects when it is first used, and again and again after losing the connection. Never null; a
// bad address shows as UNAVAILABLE calls (check it where it enters the program).
std::shared_ptr<grpc::Channel> MakeChannel(std::string_view address,
                                           const ChannelOptions& options = {});

struct GrpcServerOptions {
  size_t max_message_bytes = kMaxMessageBytes;
  // Streams that one connection may have open at a time.
  uint32_t max_streams_per_connection = 4096;
};

class GrpcServer {
 public:
  GrpcServer();
  ~GrpcServer();  // Stop without grace
  GrpcServer(const GrpcServer&) = delete;
  GrpcServer& operator=(const GrpcServer&) = delete;

  // Listens on `address` (host:port; port 0: a free one) and serves when it returns; health says
  // NOT_SERVING until SetServing. Borrows `services` until Stop has returned. Unavailable: the
  // address is in use. InvalidArgument, IoError: what the system says, naming the address.
  Status Start(std::string_view address, const std::vector<grpc::Service*>& services,
               const GrpcServerOptions& options = {});

  // Where it listens, with the real port. After Start.
  const std::string& address() const { return address_; }
  uint16_t port() const { return port_; }

  // What grpc.health.v1 answers for the server as a whole (service "").
  void SetServing(bool serving);

  // Health says NOT_SERVING, no new calls are taken, those in flight get until `grace` from now,
  // then they are cancelled; returns when the last handler has. Idempotent.
  void Stop(Duration grace);

 private:
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
  uint16_t port_ = 0;
};

}  // namespace ringkv
