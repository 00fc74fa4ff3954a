#include "router/change_planner.h"

#include <optional>
#include <utility>

#include "router/op_status.h"

namespace ringkv {

// One question, from its first look at the placement to its answer: all of one state.
struct ChangePlanner::Task {
  v1::PlanChangeRequest request;
  Duration patience;
  Done done;
  std::shared_ptr<const ClusterState> state;
  std::optional<ChangePlan> plan;
  std::vector<NodeSlotSizes> sizes;
};

ChangePlanner::ChangePlanner(const Clock& clock, NodeInspection& inspection, View view)
    : inspection_(inspection),
      view_(std::move(view)),
      loop_("plans", clock, [] { return kNever; }) {
  loop_.Start();
}

ChangePlanner::~ChangePlanner() { Stop(); }

void ChangePlanner::Plan(v1::PlanChangeRequest request, Duration patience, Done done) {
  auto task = std::make_shared<Task>();
  task->request = std::move(request);
  task->patience = patience;
  task->done = std::move(done);
  if (plans_.fetch_add(1) >= kMaxPlans) {
    return Refuse(task, Status::Overloaded("too many plans are being made"));
  }
  if (!loop_.Post([this, task] { Begin(task); })) {
    Refuse(task, Status::Unavailable("this router is stopping"));
  }
}

void ChangePlanner::Begin(const std::shared_ptr<Task>& task) {
  const std::shared_ptr<const ClusterView> view = view_();
  if (view->state == nullptr) {
    return Refuse(task, Status::Unavailable("no cluster is known yet"));
  }
  task->state = view->state;
  Result<ChangePlan> plan = PlanRequestedChange(*task->state, task->request);
  if (!plan.ok()) return Refuse(task, plan.status());
  task->plan = std::move(plan).value();
  std::vector<NodeInspection::Target> holders;
  const Ring& ring = task->plan->before;
  for (NodeIndex node : ring.nodes()) {
    holders.push_back({ring.member(node).id.value(), ring.member(node).address});
  }
  inspection_.ListSlotSizes(task->state->identity().uuid(), std::move(holders), task->patience,
                            [this, task](std::vector<NodeSlotSizes> sizes) {
                              task->sizes = std::move(sizes);
                              if (!loop_.Post([this, task] { Finish(task); })) {
                                Refuse(task, Status::Unavailable("this router is stopping"));
                              }
                            });
}

void ChangePlanner::Finish(const std::shared_ptr<Task>& task) {
  Answer(task, ReportPlan(*task->plan, MergeSlotSizes(*task->state, task->sizes), task->sizes));
}

void ChangePlanner::Answer(const std::shared_ptr<Task>& task, v1::PlanChangeResponse response) {
  plans_.fetch_sub(1);
  task->done(std::move(response));
}

void ChangePlanner::Refuse(const std::shared_ptr<Task>& task, const Status& why) {
  v1::PlanChangeResponse response;
  SetError(response.mutable_status(), why);
  Answer(task, std::move(response));
}

}  // namespace ringkv
