// AdminClient: what operators ask routers. Blocking; reads only, so that a router that cannot be
// reached, or is not able to answer now, is followed by the next, and all of them again until the
// timeout. Thread-safe.
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

  // Hands every event to `on_event`, the last of them complete, or says why it stopped. It takes as
  // long as it takes, while the router gives a sign of life within the timeout; at most `limit`.
  virtual Status CheckReplicas(std::optional<Duration> limit,
                               const std::function<void(const v1::CheckReplicasEvent&)>& on_event) = 0;
};

}  // namespace ringkv
