// The nodes of a ring: by index, and in the order of their ids. Pages of members are shared between
// copies, and one is copied when it changes; so a copy of a million members costs some thousand
// pointers.
//
// Thread-safety: as of a standard container, copies being independent of each other.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/status.h"
#include "ring/id_order.h"
#include "ring/slot_table.h"

namespace ringkv {

inline constexpr size_t kMaxZoneBytes = 63;

struct Member {
  NodeId id;
  std::string address;    // host:port
  std::string zone;       // failure domain; empty: the node is one of its own; ≤ kMaxZoneBytes
  uint32_t vnodes = 128;  // weight relative to the others', 1 to kMaxVnodes

  bool operator==(const Member&) const = default;
};

// Each: ok, or InvalidArgument that names what is wrong and with whom.
Status CheckMember(const Member& member);
Status CheckVnodes(const NodeId& id, uint32_t vnodes);

class MemberTable {
 public:
  MemberTable() = default;
  // Position = index; an empty id is a gap. InvalidArgument where a member is bad, two have one id,
  // or there are more than kMaxNodeIndexes.
  static Result<MemberTable> Make(std::vector<Member> members);

  // Every index in use is below; the last below is in use.
  uint32_t limit() const { return limit_; }
  // In use, by id.
  const IdOrder& by_id() const { return by_id_; }
  // A member without id where there is a gap, or beyond limit().
  const Member& operator[](NodeIndex node) const;
  bool Has(NodeIndex node) const { return !(*this)[node].id.empty(); }
  std::optional<NodeIndex> Find(const NodeId& id) const;

  // Puts a member into a gap, or in the place of one with the same id. InvalidArgument: a bad
  // member, an index that somebody else has, an id that is there already, too many nodes.
  Status Set(NodeIndex node, Member member);
  // Leaves a gap. Needs Has(node).
  void Remove(NodeIndex node);

  std::vector<Member> ToVector() const;
  bool operator==(const MemberTable& other) const;

 private:
  static constexpr uint32_t kPerPageLog2 = 8;
  static constexpr uint32_t kPerPage = uint32_t{1} << kPerPageLog2;
  using Page = std::array<Member, kPerPage>;

  Member& Writable(NodeIndex node);
  IdOrder::Place PlaceOf(const NodeId& id) const;  // of the first that is not before it

  uint32_t limit_ = 0;
  std::vector<std::shared_ptr<Page>> pages_;
  IdOrder by_id_;
};

}  // namespace ringkv
