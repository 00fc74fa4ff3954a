#include "router/change_orders.h"

#include <utility>

#include "router/op_status.h"

namespace ringkv {
namespace {

const v1::NodeStatus* Find(const v1::GetClusterResponse& cluster, const std::string& id) {
  for (const v1::NodeStatus& node : cluster.nodes()) {
    if (node.node().id() == id) return &node;
  }
  return nullptr;
}

template <class Response>
void Answer(const std::function<void(Response)>& done, const Status& status) {
  Response response;
  if (status.ok()) {
    SetDone(response.mutable_status());
  } else {
    SetError(response.mutable_status(), status);
    if (status.code() == StatusCode::kUnknownOutcome) {
      response.mutable_status()->set_outcome(v1::OUTCOME_UNKNOWN);
    }
  }
  done(std::move(response));
}

}  // namespace

Status CheckOrder(const v1::StartChangeRequest& request, const v1::GetClusterResponse& cluster) {
  const v1::PlanChangeRequest& change = request.change();
  if (change.has_add_node()) {
    const v1::NodeStatus* node = Find(cluster, change.add_node().node());
    // Whether it is known at all, the metadata says better.
    if (node == nullptr || node->node().state() != v1::NODE_STATE_WAITING) return Status::Ok();
    if (node->reach() == v1::REACH_UP) return Status::Ok();
    return Status::Refused("node '" + node->node().id() + "' at " + node->node().address() +
                           " has registered once and is not heard of now: start it first");
  }
  if (change.has_remove_node()) {
    const v1::NodeStatus* node = Find(cluster, change.remove_node().node());
    const bool member = node != nullptr && (node->node().state() == v1::NODE_STATE_MEMBER ||
                                            node->node().state() == v1::NODE_STATE_DRAINING);
    if (!member || request.force() || node->reach() == v1::REACH_UP) return Status::Ok();
    const std::string& id = node->node().id();
    return Status::Refused("node '" + id + "' does not answer (" + node->why() +
                           "); if it is dead for good: kvctl admin remove-node " + id +
                           " --force, which fills its slots from the others");
  }
  return Status::Ok();
}

void ChangeOrders::Start(const v1::StartChangeRequest& request,
                         std::function<void(v1::StartChangeResponse)> done) {
  status_.GetCluster(
      [this, request, done = std::move(done)](const v1::GetClusterResponse& cluster) {
        if (Status refused = CheckOrder(request, cluster); !refused.ok())
          return Answer(done, refused);
        MigrationStart start;
        start.change = request.change();
        start.force = request.force();
        start.now_ms = clock_.WallMillis();
        const bool posted = control_.Post([this, start, done] {
          membership_.StartChange(start, [done](const Result<uint64_t>& id) {
            if (!id.ok()) return Answer(done, id.status());
            v1::StartChangeResponse response;
            SetDone(response.mutable_status());
            response.set_migration(*id);
            done(std::move(response));
          });
        });
        if (!posted) Answer(done, Status::Unavailable("this router is stopping"));
      });
}

void ChangeOrders::Order(const v1::OrderMigrationRequest& request,
                         std::function<void(v1::OrderMigrationResponse)> done) {
  MigrationOrder order = MigrationOrder::kPause;
  switch (request.order()) {
    case v1::MIGRATION_ORDER_PAUSE:
      break;
    case v1::MIGRATION_ORDER_RESUME:
      order = MigrationOrder::kResume;
      break;
    case v1::MIGRATION_ORDER_ABORT:
      order = MigrationOrder::kAbort;
      break;
    default:
      return Answer(done, Status::InvalidArgument("no order that this router knows"));
  }
  const bool posted = control_.Post([this, id = request.id(), order, done] {
    membership_.OrderChange(
        id, order, [done](const Result<uint64_t>& result) { Answer(done, result.status()); });
  });
  if (!posted) Answer(done, Status::Unavailable("this router is stopping"));
}

void ChangeOrders::List(const v1::ListMigrationsRequest& request,
                        std::function<void(v1::ListMigrationsResponse)> done) {
  status_.ListMigrations(request.id(), std::move(done));
}

}  // namespace ringkv
