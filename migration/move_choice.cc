#include "migration/move_choice.h"

#include <algorithm>
#include <utility>

namespace ringkv {
namespace {

bool Wishes(const v1::DesiredRow* wish, const std::string& node) {
  return wish != nullptr &&
         std::find(wish->nodes().begin(), wish->nodes().end(), node) != wish->nodes().end();
}

bool Holds(const v1::SlotPlacement& row, const std::string& node) {
  return std::any_of(row.replicas().begin(), row.replicas().end(),
                     [&](const v1::ReplicaRef& replica) { return replica.node() == node; });
}

bool Retires(const v1::SlotPlacement& row, const std::string& node) {
  return std::any_of(row.retiring().begin(), row.retiring().end(),
                     [&](const v1::ReplicaRef& replica) { return replica.node() == node; });
}

bool SameOrder(const v1::SlotPlacement& row, const v1::DesiredRow& wish) {
  return std::equal(
      row.replicas().begin(), row.replicas().end(), wish.nodes().begin(), wish.nodes().end(),
      [](const v1::ReplicaRef& is, const std::string& to_be) { return is.node() == to_be; });
}

using Pair = std::pair<std::string, std::string>;  // out, in

// How many slots are on their way from, and to, each node.
struct UnderWay {
  std::map<std::string, size_t> out;
  std::map<std::string, size_t> in;

  size_t Room(const Pair& pair, size_t per_node) {
    const size_t busy = std::max(out[pair.first], in[pair.second]);
    return busy >= per_node ? 0 : per_node - busy;
  }
};

// The first node that is to leave, and the first that is to come. False: the set is as wished.
bool NextPair(const v1::SlotPlacement& row, const v1::DesiredRow& wish, Pair* pair) {
  bool out = false, in = false;
  for (const v1::ReplicaRef& replica : row.replicas()) {
    if (Wishes(&wish, replica.node())) continue;
    pair->first = replica.node();
    out = true;
    break;
  }
  for (const std::string& node : wish.nodes()) {
    if (Holds(row, node)) continue;
    pair->second = node;
    in = true;
    break;
  }
  return out && in;
}

}  // namespace

MoveChoice ChooseMoves(const std::vector<v1::SlotPlacement>& rows, const DesiredRowMap& desired,
                       const MoveLimits& limits, bool may_begin) {
  MoveChoice choice;
  UnderWay under_way;
  for (const v1::SlotPlacement& row : rows) {
    if (!row.has_learner()) continue;
    const auto found = desired.find(row.slot());
    const v1::DesiredRow* wish = found == desired.end() ? nullptr : &found->second;
    if (!Wishes(wish, row.learner().node()) || Wishes(wish, row.replaced().node())) {
      choice.abandon.push_back(SlotId(row.slot()));
      if (wish == nullptr) ++choice.unfinished;
      continue;
    }
    ++under_way.out[row.replaced().node()];
    ++under_way.in[row.learner().node()];
  }
  std::map<Pair, std::vector<SlotId>> waiting;
  for (const auto& [slot, wish] : desired) {
    const v1::SlotPlacement& row = rows[slot];
    if (SameOrder(row, wish) && !row.has_learner()) continue;
    ++choice.unfinished;
    if (row.has_learner()) continue;
    Pair pair;
    if (!NextPair(row, wish, &pair)) {
      if (choice.reorder.size() < limits.rows_at_once) choice.reorder.push_back(SlotId(slot));
    } else if (!Retires(row, pair.second)) {
      waiting[pair].push_back(SlotId(slot));
    }
  }
  if (!may_begin) return choice;
  for (const auto& [pair, slots] : waiting) {
    const size_t room = std::min(under_way.Room(pair, limits.per_node), limits.lot);
    // A lot, or all that is left: no transaction for a slot or two each time that one is done.
    if (room == 0 || (room < slots.size() && room < limits.lot / 2)) continue;
    for (size_t i = 0; i < std::min(room, slots.size()); ++i) {
      choice.begin.push_back({slots[i], pair.first, pair.second});
    }
    break;
  }
  return choice;
}

std::vector<std::string> OrderAfterFlip(const v1::SlotPlacement& row, const v1::DesiredRow* wish) {
  std::vector<std::string> nodes;
  for (const v1::ReplicaRef& replica : row.replicas()) {
    nodes.push_back(replica.node() == row.replaced().node() ? row.learner().node()
                                                            : replica.node());
  }
  if (wish == nullptr) return nodes;
  std::vector<std::string> wished(wish->nodes().begin(), wish->nodes().end());
  return std::is_permutation(nodes.begin(), nodes.end(), wished.begin(), wished.end()) ? wished
                                                                                       : nodes;
}

}  // namespace ringkv
