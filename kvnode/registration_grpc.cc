#include "kvnode/registration_grpc.h"

#include <grpcpp/grpcpp.h>

#include <optional>

#include "base/check.h"
#include "kvnode/cancellable_call_grpc.h"
#include "net/grpc_door.h"
#include "ringkv/v1/replica.grpc.pb.h"

namespace ringkv {
namespace {

// Why a router gave no answer, for people.
std::string Explain(const std::string& router, const grpc::Status& status) {
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return "router " + router +
             " does not answer: check that it runs, and that `routers` has its gRPC address";
    case grpc::StatusCode::UNIMPLEMENTED:
      return "what answers at " + router +
             " is no router: set `routers` to the gRPC address of one (7400 by default)";
    default:
      return "router " + router + ": " + status.error_message();
  }
}

}  // namespace

struct RegistrationGrpc::Impl {
  struct Router {
    std::string address;
    std::unique_ptr<v1::Membership::Stub> stub;
  };

  explicit Impl(Duration deadline) : call(deadline) {}

  CancellableCall call;
  std::vector<Router> routers;
  size_t next = 0;  // the one to ask first
};

RegistrationGrpc::RegistrationGrpc(std::vector<std::string> routers, Duration deadline)
    : impl_(std::make_unique<Impl>(deadline)) {
  RINGKV_CHECK(!routers.empty(), "somebody has to be asked");
  for (std::string& address : routers) {
    auto stub = v1::Membership::NewStub(MakeChannel(address));
    impl_->routers.push_back({std::move(address), std::move(stub)});
  }
}

RegistrationGrpc::~RegistrationGrpc() = default;

Result<v1::RegisterReply> RegistrationGrpc::Ask(const v1::RegisterRequest& request) {
  const size_t count = impl_->routers.size();
  std::string why;
  std::optional<v1::RegisterReply> weak;  // its router could not reach the metadata store
  for (size_t i = 0; i < count; ++i) {
    const size_t index = impl_->next;
    Impl::Router& router = impl_->routers[index];
    v1::RegisterReply reply;
    grpc::Status status = impl_->call.Run([&](grpc::ClientContext* context) {
      return router.stub->Register(context, request, &reply);
    });
    if (status.ok() && reply.outcome() != v1::REGISTER_OUTCOME_TRY_AGAIN) return reply;
    impl_->next = (index + 1) % count;
    if (status.ok()) {
      weak = std::move(reply);
    } else {
      why += (why.empty() ? "" : "; ") + Explain(router.address, status);
    }
  }
  if (weak.has_value()) return *std::move(weak);
  return Status::Unavailable(why);
}

void RegistrationGrpc::Cancel() { impl_->call.Cancel(); }

}  // namespace ringkv
