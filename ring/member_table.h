// The nodes of a ring: by index, and in the order of their ids. Pages of members are shared between
// copies, and one is copied when it changes; so a copy of a million members costs some thousand
// pointers.
//
// Thread-safety: as of a standard container, copies being independent of each other.
#pragma once

#include <algorithm>
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

  // Calls visit(node) for the indexes whose members differ, nobody being one that differs from all,
  // in their order; shared pages cost nothing.
  template <class Visit>
  static void ForEachDifference(const MemberTable& a, const MemberTable& b, Visit visit);

  // Of the members and their indexes (fingerprint.h); kept up to date, O(1).
  uint64_t fingerprint() const { return fingerprint_; }

  std::vector<Member> ToVector() const;
  bool operator==(const MemberTable& other) const;

 private:
  static constexpr uint32_t kPerPageLog2 = 8;
  static constexpr uint32_t kPerPage = uint32_t{1} << kPerPageLog2;
  using Page = std::array<Member, kPerPage>;

  // Puts a member, or one without id, in the place of another.
  void Replace(NodeIndex node, Member member);
  const Page* PageAt(size_t page) const {
    return page < pages_.size() ? pages_[page].get() : nullptr;
  }
  IdOrder::Place PlaceOf(const NodeId& id) const;  // of the first that is not before it

  uint32_t limit_ = 0;
  uint64_t fingerprint_ = 0;
  std::vector<std::shared_ptr<Page>> pages_;
  IdOrder by_id_;
};

template <class Visit>
void MemberTable::ForEachDifference(const MemberTable& a, const MemberTable& b, Visit visit) {
  const size_t pages = std::max(a.pages_.size(), b.pages_.size());
  for (size_t page = 0; page < pages; ++page) {
    if (a.PageAt(page) == b.PageAt(page)) continue;
    const auto first = static_cast<uint32_t>(page << kPerPageLog2);
    for (uint32_t index = first; index < first + kPerPage; ++index) {
      if (a[NodeIndex(index)] != b[NodeIndex(index)]) visit(NodeIndex(index));
    }
  }
}

}  // namespace ringkv
