// The Admin service: what operators ask, and order. Thread-safe; borrows what answers until the
// gRPC server has stopped.
#pragma once

#include <grpcpp/grpcpp.h>

#include "ringkv/v1/admin.grpc.pb.h"
#include "router/change_orders.h"
#include "router/change_planner.h"
#include "router/cluster_status.h"
#include "router/loss_acceptance.h"
#include "router/replica_checker.h"

namespace ringkv {

class AdminService final : public v1::Admin::CallbackService {
 public:
  AdminService(ClusterStatus& status, ChangePlanner& planner, ChangeOrders& orders,
               LossAcceptance& losses, ReplicaChecker& checker)
      : status_(status), planner_(planner), orders_(orders), losses_(losses), checker_(checker) {}

  grpc::ServerUnaryReactor* GetCluster(grpc::CallbackServerContext* call,
                                       const v1::GetClusterRequest* request,
                                       v1::GetClusterResponse* response) override;
  grpc::ServerUnaryReactor* GetRing(grpc::CallbackServerContext* call,
                                    const v1::GetRingRequest* request,
                                    v1::GetRingResponse* response) override;
  grpc::ServerUnaryReactor* Locate(grpc::CallbackServerContext* call,
                                   const v1::LocateRequest* request,
                                   v1::LocateResponse* response) override;
  grpc::ServerUnaryReactor* PlanChange(grpc::CallbackServerContext* call,
                                       const v1::PlanChangeRequest* request,
                                       v1::PlanChangeResponse* response) override;
  grpc::ServerUnaryReactor* AcceptLoss(grpc::CallbackServerContext* call,
                                       const v1::AcceptLossRequest* request,
                                       v1::AcceptLossResponse* response) override;

  grpc::ServerUnaryReactor* StartChange(grpc::CallbackServerContext* call,
                                        const v1::StartChangeRequest* request,
                                        v1::StartChangeResponse* response) override;
  grpc::ServerUnaryReactor* ListMigrations(grpc::CallbackServerContext* call,
                                           const v1::ListMigrationsRequest* request,
                                           v1::ListMigrationsResponse* response) override;
  grpc::ServerUnaryReactor* OrderMigration(grpc::CallbackServerContext* call,
                                           const v1::OrderMigrationRequest* request,
                                           v1::OrderMigrationResponse* response) override;
  grpc::ServerWriteReactor<v1::CheckReplicasEvent>* CheckReplicas(
      grpc::CallbackServerContext* call, const v1::CheckReplicasRequest* request) override;

 private:
  ClusterStatus& status_;
  ChangePlanner& planner_;
  ChangeOrders& orders_;
  LossAcceptance& losses_;
  ReplicaChecker& checker_;
};

}  // namespace ringkv
