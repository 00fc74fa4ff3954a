#include "router/admin_service_grpc.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "router/check_stream_grpc.h"

namespace ringkv {
namespace {

// What nodes get to answer in, at most: half of what is left to who asks, so that a node that is
// silent costs its own answer and not the whole.
constexpr Duration kNodePatience = std::chrono::seconds(2);

Duration PatienceFor(const grpc::CallbackServerContext& call) {
  const auto left = call.deadline() - std::chrono::system_clock::now();
  if (left / 2 >= kNodePatience) return kNodePatience;
  return std::max(Duration::zero(), std::chrono::duration_cast<Duration>(left / 2));
}

}  // namespace

grpc::ServerUnaryReactor* AdminService::GetCluster(grpc::CallbackServerContext* call,
                                                   const v1::GetClusterRequest*,
                                                   v1::GetClusterResponse* response) {
  grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
  status_.GetCluster([reactor, response](v1::GetClusterResponse answer) {
    *response = std::move(answer);
    reactor->Finish(grpc::Status::OK);
  });
  return reactor;
}

grpc::ServerUnaryReactor* AdminService::GetRing(grpc::CallbackServerContext* call,
                                                const v1::GetRingRequest* request,
                                                v1::GetRingResponse* response) {
  *response = status_.GetRing(request->table());
  grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerUnaryReactor* AdminService::Locate(grpc::CallbackServerContext* call,
                                               const v1::LocateRequest* request,
                                               v1::LocateResponse* response) {
  grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
  status_.Locate(request->key(), [reactor, response](v1::LocateResponse answer) {
    *response = std::move(answer);
    reactor->Finish(grpc::Status::OK);
  });
  return reactor;
}

grpc::ServerUnaryReactor* AdminService::PlanChange(grpc::CallbackServerContext* call,
                                                   const v1::PlanChangeRequest* request,
                                                   v1::PlanChangeResponse* response) {
  grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
  planner_.Plan(*request, PatienceFor(*call), [reactor, response](v1::PlanChangeResponse answer) {
    *response = std::move(answer);
    reactor->Finish(grpc::Status::OK);
  });
  return reactor;
}

grpc::ServerUnaryReactor* AdminService::StartChange(grpc::CallbackServerContext* call,
                                                    const v1::StartChangeRequest* request,
                                                    v1::StartChangeResponse* response) {
  grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
  orders_.Start(*request, [reactor, response](v1::StartChangeResponse answer) {
    *response = std::move(answer);
    reactor->Finish(grpc::Status::OK);
  });
  return reactor;
}

grpc::ServerUnaryReactor* AdminService::ListMigrations(grpc::CallbackServerContext* call,
                                                       const v1::ListMigrationsRequest* request,
                                                       v1::ListMigrationsResponse* response) {
  grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
  orders_.List(*request, [reactor, response](v1::ListMigrationsResponse answer) {
    *response = std::move(answer);
    reactor->Finish(grpc::Status::OK);
  });
  return reactor;
}

grpc::ServerUnaryReactor* AdminService::OrderMigration(grpc::CallbackServerContext* call,
                                                       const v1::OrderMigrationRequest* request,
                                                       v1::OrderMigrationResponse* response) {
  grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
  orders_.Order(*request, [reactor, response](v1::OrderMigrationResponse answer) {
    *response = std::move(answer);
    reactor->Finish(grpc::Status::OK);
  });
  return reactor;
}

grpc::ServerUnaryReactor* AdminService::AcceptLoss(grpc::CallbackServerContext* call,
                                                   const v1::AcceptLossRequest* request,
                                                   v1::AcceptLossResponse* response) {
  grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
  losses_.Answer(*request, [reactor, response](v1::AcceptLossResponse answer) {
    *response = std::move(answer);
    reactor->Finish(grpc::Status::OK);
  });
  return reactor;
}

grpc::ServerWriteReactor<v1::CheckReplicasEvent>* AdminService::CheckReplicas(
    grpc::CallbackServerContext*, const v1::CheckReplicasRequest*) {
  return new CheckStream(checker_);
}

}  // namespace ringkv
