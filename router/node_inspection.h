// What routers ask nodes on behalf of operators, apart from the data path. One implementation
// speaks gRPC (node_inspection_grpc.h); tests bring their own.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "ringkv/v1/inspect.pb.h"

namespace ringkv {

// What one node says of the sizes of its slots.
struct NodeSlotSizes {
  std::string node;
  Status status;  // why there is no answer; `sizes` is then empty
  v1::ListSlotSizesReply sizes;
};

class NodeInspection {
 public:
  struct Target {
    std::string node;
    std::string address;  // host:port
  };

  virtual ~NodeInspection() = default;

  // Asks every node, and calls `done` once, with an entry for each in the order of `targets`: when
  // all have answered, or after `patience`. From any thread; `done` runs on any thread, also before
  // this returns.
  virtual void ListSlotSizes(const std::string& cluster_uuid, std::vector<Target> targets,
                             Duration patience,
                             std::function<void(std::vector<NodeSlotSizes>)> done) = 0;

  // Asks one node; who is meant is filled in here. `done` as above. kOverloaded: ask again later.
  virtual void DigestRanges(const Target& target, v1::DigestRangesRequest request,
                            Duration patience,
                            std::function<void(Result<v1::DigestRangesReply>)> done) = 0;
  virtual void ListRecords(const Target& target, v1::ListRecordsRequest request, Duration patience,
                           std::function<void(Result<v1::ListRecordsReply>)> done) = 0;
};

}  // namespace ringkv
