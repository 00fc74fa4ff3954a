// Carries out what is wished of the placement (docs/protocol.md, "Replace"): remembers what the
// owners of slots have asked for, and says which transaction comes next. Whoever drives it commits
// one at a time, applies it to the state, and asks again; what is lost meanwhile is asked for
// again.
//
// Nothing that it remembers is needed: a new one, on the same state, does the same.
//
// Pure; thread-compatible: the control loop's.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>

#include "migration/move_choice.h"
#include "router/cluster_state.h"
#include "router/shard.h"

namespace ringkv {

class SlotMover {
 public:
  explicit SlotMover(MoveLimits limits = {}) : limits_(limits) {}

  // `node`: whose instance request.replica is, where it names one.
  void Take(const RowRequest& request, const std::string& node);

  // Nullopt: nothing is to be done now.
  std::optional<MetadataTxn> Next(const ClusterState& state, uint64_t now_ms);

 private:
  // Of an owner under `term`, for the row of `epoch`. A row outlives its owner's term, and what the
  // owner knew does not: the learner of the same row lacks what a later term has written since.
  struct Wish {
    Term term;
    uint64_t epoch = 0;
  };

  // The requests of a kind that the state still allows.
  std::vector<SlotId> Current(const ClusterState& state, std::map<uint32_t, Wish>* requests);
  std::optional<MetadataTxn> NextRetired(const ClusterState& state);

  const MoveLimits limits_;
  std::map<uint32_t, Wish> flips_;                                 // by slot
  std::map<uint32_t, Wish> abandons_;                              // the same
  std::set<std::tuple<uint32_t, std::string, uint64_t>> retired_;  // slot, node, inc
};

}  // namespace ringkv
