// Operators' orders for changes of the ring: looks first whether the nodes concerned are there,
// then hands the order to the control loop.
//
// Thread-safe. `done` runs once, on any thread, and not at all once a loop has stopped.
#pragma once

#include <functional>

#include "base/event_loop.h"
#include "ringkv/v1/admin.pb.h"
#include "router/cluster_status.h"
#include "router/membership.h"

namespace ringkv {

class ChangeOrders {
 public:
  // Borrows all.
  ChangeOrders(ClusterStatus& status, EventLoop& control, Membership& membership,
               const Clock& clock)
      : status_(status), control_(control), membership_(membership), clock_(clock) {}

  void Start(const v1::StartChangeRequest& request,
             std::function<void(v1::StartChangeResponse)> done);
  void Order(const v1::OrderMigrationRequest& request,
             std::function<void(v1::OrderMigrationResponse)> done);
  void List(const v1::ListMigrationsRequest& request,
            std::function<void(v1::ListMigrationsResponse)> done);

 private:
  ClusterStatus& status_;
  EventLoop& control_;
  Membership& membership_;
  const Clock& clock_;
};

// Why the order is not even tried, by what the router sees of its nodes; ok: it is.
Status CheckOrder(const v1::StartChangeRequest& request, const v1::GetClusterResponse& cluster);

}  // namespace ringkv
