// AdminClient: what operators ask routers, and order them. Blocking. A router that cannot be
// reached, or is not able to answer now, is followed by the next, and all of them again until the
// timeout; an order that may have arrived and was not answered is UnknownOutcome. Thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "ringkv/v1/admin.pb.h"

namespace ringkv {

class AdminClient {
 public:
  static Result<std::unique_ptr<AdminClient>> Create(std::vector<std::string> routers,
                                                     Duration timeout);
  virtual ~AdminClient() = default;

  virtual Result<v1::GetClusterResponse> GetCluster() = 0;
  virtual Result<v1::GetRingResponse> GetRing(const v1::GetRingRequest& request) = 0;
  virtual Result<v1::LocateResponse> Locate(const std::string& key) = 0;
  virtual Result<v1::PlanChangeResponse> PlanChange(const v1::PlanChangeRequest& request) = 0;
  virtual Result<v1::StartChangeResponse> StartChange(const v1::StartChangeRequest& request) = 0;
  // `id` 0: all.
  virtual Result<v1::ListMigrationsResponse> ListMigrations(uint64_t id) = 0;
  virtual Result<v1::OrderMigrationResponse> OrderMigration(
      const v1::OrderMigrationRequest& request) = 0;
  // What accepting would give up; `request.agreed` is 0.
  virtual Result<v1::AcceptLossResponse> PlanAcceptedLoss(const v1::AcceptLossRequest& request) = 0;
  // Does it. Sent once: UnknownOutcome if no answer came.
  virtual Result<v1::AcceptLossResponse> AcceptLoss(const v1::AcceptLossRequest& request) = 0;

  // Hands every event to `on_event`, the last of them complete, or says why it stopped. It takes as
  // long as it takes, while the router gives a sign of life within the timeout; at most `limit`.
  virtual Status CheckReplicas(
      std::optional<Duration> limit,
      const std::function<void(const v1::CheckReplicasEvent&)>& on_event) = 0;
};

}  // namespace ringkv
