#include "net/grpc_door.h"

#include <absl/synchronization/mutex.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include <algorithm>
#include <chrono>
#include <mutex>

#include "base/address.h"
#include "base/check.h"
#include "net/bind_failure.h"

namespace ringkv {
namespace {

// A client may ask for a sign of life this often; more is answered by closing the connection, so it
// lies well under any ChannelOptions::keepalive_interval in use.
constexpr int kMinClientPingIntervalMs = 1'000;

int Millis(Duration duration) {
  auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  return static_cast<int>(std::clamp<int64_t>(ms, 1, INT32_MAX));
}

// Debian builds Abseil so that each of its mutexes, and gRPC has one for nearly everything, looks
// for deadlocks at every lock: some 3 % of a router's time. Nobody would read what it found.
void DoNotLookForDeadlocks() {
  static std::once_flag once;
  std::call_once(once, [] { absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore); });
}

// Health and reflection are switched on for the process, before its first server is built.
void SetUpPlugins() {
  static std::once_flag once;
  std::call_once(once, [] {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  });
}

// gRPC's callback API shares one completion queue and its threads among all channels and servers of
// the process and takes them down with the last of these. In 1.51 that is a race: a thread of the
// queue gives back a reference that is gone already, and the process aborts while it stops. So one
// channel that nobody talks through, with one call that ended before it began, holds the queue for
// as long as the process lives.
void HoldCallbackQueue() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct Anchor {
      std::shared_ptr<grpc::Channel> channel =
          grpc::CreateChannel("unix:/nonexistent", grpc::InsecureChannelCredentials());
      grpc::GenericStub stub{channel};
      grpc::ClientContext context;
      grpc::Slice nothing;
      grpc::ByteBuffer request{&nothing, 1};
      grpc::ByteBuffer response;
    };
    auto* anchor = new Anchor;  // never deleted: see above
    anchor->context.set_deadline(std::chrono::system_clock::now() - std::chrono::seconds(1));
    anchor->stub.UnaryCall(&anchor->context, "/ringkv/none", grpc::StubOptions(), &anchor->request,
                           &anchor->response, [](grpc::Status) {});
  });
}

void Configure(grpc::ServerBuilder* builder, const GrpcServerOptions& options) {
  builder->SetMaxReceiveMessageSize(static_cast<int>(options.max_message_bytes));
  builder->SetMaxSendMessageSize(static_cast<int>(options.max_message_bytes));
  // On, two processes could serve one address, each with half of the connections.
  builder->AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder->AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS,
                              static_cast<int>(options.max_streams_per_connection));
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 20'000);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                              kMinClientPingIntervalMs);
}

}  // namespace

std::shared_ptr<grpc::Channel> MakeChannel(std::string_view address,
                                           const ChannelOptions& options) {
  DoNotLookForDeadlocks();
  HoldCallbackQueue();
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(static_cast<int>(options.max_message_bytes));
  arguments.SetMaxSendMessageSize(static_cast<int>(options.max_message_bytes));
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, Millis(options.connect_backoff_min));
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, Millis(options.connect_backoff_max));
  // Its name misleads: it is the time that an attempt gets.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, Millis(options.connect_timeout));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, Millis(options.keepalive_interval));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Millis(options.keepalive_timeout));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // Who retries what is ours to decide: a repeated write may be an unknown outcome.
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  // A proxy from the environment is for the web, not for a cluster.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  if (options.connection == Connection::kOwn) {
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  }
  return grpc::CreateCustomChannel(std::string(address), grpc::InsecureChannelCredentials(),
                                   arguments);
}

GrpcServer::GrpcServer() = default;

GrpcServer::~GrpcServer() { Stop(Duration::zero()); }

Status GrpcServer::Start(std::string_view address, const std::vector<grpc::Service*>& services,
                         const GrpcServerOptions& options) {
  RINGKV_CHECK(port_ == 0, "a GrpcServer starts once");
  Result<HostPort> where = ParseAddress(address, PortZero::kAllowed);
  if (!where.ok()) return where.status();
  DoNotLookForDeadlocks();
  HoldCallbackQueue();
  SetUpPlugins();
  grpc::ServerBuilder builder;
  Configure(&builder, options);
  int port = 0;
  builder.AddListeningPort(std::string(address), grpc::InsecureServerCredentials(), &port);
  for (grpc::Service* service : services) builder.RegisterService(service);
  server_ = builder.BuildAndStart();
  if (server_ == nullptr || port <= 0) {
    server_.reset();
    return ExplainBindFailure(address);
  }
  port_ = static_cast<uint16_t>(port);
  address_ = FormatAddress(where->host, port_);
  SetServing(false);
  return Status::Ok();
}

void GrpcServer::SetServing(bool serving) {
  RINGKV_CHECK(server_ != nullptr, "SetServing is for a server that runs");
  server_->GetHealthCheckService()->SetServingStatus(serving);
}

void GrpcServer::Stop(Duration grace) {
  if (server_ == nullptr) return;
  server_->GetHealthCheckService()->Shutdown();
  // gRPC takes the deadline by the wall clock.
  server_->Shutdown(std::chrono::system_clock::now() +
                    std::chrono::duration_cast<std::chrono::system_clock::duration>(grace));
  server_->Wait();
  server_.reset();
}

}  // namespace ringkv
