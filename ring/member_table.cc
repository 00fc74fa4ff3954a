#include "ring/member_table.h"

#include <algorithm>

#include "base/limits.h"
#include "ring/fingerprint.h"
#include "ring/wire.h"

namespace ringkv {
namespace {

const Member kNobody;

Status CheckIndex(uint64_t index) {
  if (index < kMaxNodeIndexes) return Status::Ok();
  return Status::InvalidArgument("a ring cannot have more than " + std::to_string(kMaxNodeIndexes) +
                                 " nodes");
}

Status IsThereTwice(const NodeId& id) {
  return Status::InvalidArgument("node '" + id.value() + "' is there twice");
}

uint64_t FingerprintOf(NodeIndex node, const Member& member) {
  if (member.id.empty()) return 0;
  // Each part's checksum is the seed of the next one's.
  uint64_t digest = node.value();
  for (const std::string_view part :
       {std::string_view(member.id.value()), std::string_view(member.address),
        std::string_view(member.zone)}) {
    digest = Checksum(part, digest);
  }
  return EntryFingerprint(digest, member.vnodes);
}

}  // namespace

Status CheckVnodes(const NodeId& id, uint32_t vnodes) {
  if (vnodes >= 1 && vnodes <= kMaxVnodes) return Status::Ok();
  return Status::InvalidArgument("node '" + id.value() + "' has " + std::to_string(vnodes) +
                                 " vnodes; vnodes are 1 to " + std::to_string(kMaxVnodes));
}

Status CheckMember(const Member& member) {
  if (member.id.empty()) return Status::InvalidArgument("a member has no id");
  const std::string context = "node '" + member.id.value() + "'";
  RINGKV_RETURN_IF_ERROR(CheckAddress(member.address).Annotate(context));
  if (member.zone.size() > kMaxZoneBytes) {
    return Status::InvalidArgument(context + ": its zone has " +
                                   std::to_string(member.zone.size()) +
                                   " bytes; a zone has at most " + std::to_string(kMaxZoneBytes));
  }
  return CheckVnodes(member.id, member.vnodes);
}

Result<MemberTable> MemberTable::Make(std::vector<Member> members) {
  while (!members.empty() && members.back().id.empty()) members.pop_back();
  if (!members.empty()) RINGKV_RETURN_IF_ERROR(CheckIndex(members.size() - 1));
  std::vector<NodeIndex> nodes;
  for (uint32_t i = 0; i < members.size(); ++i) {
    if (members[i].id.empty()) continue;
    RINGKV_RETURN_IF_ERROR(CheckMember(members[i]));
    nodes.push_back(NodeIndex(i));
  }
  auto id = [&](NodeIndex n) -> const NodeId& { return members[n.value()].id; };
  auto before = [&](NodeIndex a, NodeIndex b) { return id(a) < id(b); };
  if (!std::is_sorted(nodes.begin(), nodes.end(), before)) {
    std::sort(nodes.begin(), nodes.end(), before);
  }
  for (size_t i = 1; i < nodes.size(); ++i) {
    if (id(nodes[i - 1]) == id(nodes[i])) return IsThereTwice(id(nodes[i]));
  }
  MemberTable table;
  table.limit_ = static_cast<uint32_t>(members.size());
  for (size_t i = 0; i < members.size(); ++i) {
    if (i % kPerPage == 0) table.pages_.push_back(std::make_shared<Page>());
    table.fingerprint_ += FingerprintOf(NodeIndex(static_cast<uint32_t>(i)), members[i]);
    (*table.pages_.back())[i % kPerPage] = std::move(members[i]);
  }
  table.by_id_ = IdOrder(nodes);
  return table;
}

const Member& MemberTable::operator[](NodeIndex node) const {
  if (node.value() >= limit_) return kNobody;
  return (*pages_[node.value() >> kPerPageLog2])[node.value() % kPerPage];
}

IdOrder::Place MemberTable::PlaceOf(const NodeId& id) const {
  return by_id_.Search([&](NodeIndex node) { return (*this)[node].id < id; });
}

std::optional<NodeIndex> MemberTable::Find(const NodeId& id) const {
  const IdOrder::Place place = PlaceOf(id);
  if (!by_id_.Holds(place)) return std::nullopt;
  const NodeIndex node = by_id_.At(place);
  if ((*this)[node].id != id) return std::nullopt;
  return node;
}

void MemberTable::Replace(NodeIndex node, Member member) {
  std::shared_ptr<Page>& page = pages_[node.value() >> kPerPageLog2];
  // Always a copy: that nobody shares the page cannot be learnt without a race.
  page = std::make_shared<Page>(*page);
  Member& there = (*page)[node.value() % kPerPage];
  fingerprint_ += FingerprintOf(node, member) - FingerprintOf(node, there);
  there = std::move(member);
}

Status MemberTable::Set(NodeIndex node, Member member) {
  RINGKV_RETURN_IF_ERROR(CheckMember(member));
  RINGKV_RETURN_IF_ERROR(CheckIndex(node.value()));
  const Member& there = (*this)[node];
  if (there.id == member.id) {
    Replace(node, std::move(member));
    return Status::Ok();
  }
  if (!there.id.empty()) {
    return Status::InvalidArgument("node '" + member.id.value() + "' cannot have the index of '" +
                                   there.id.value() + "'");
  }
  if (Find(member.id)) return IsThereTwice(member.id);
  by_id_.Insert(PlaceOf(member.id), node);
  while (node.value() >= pages_.size() * kPerPage) pages_.push_back(std::make_shared<Page>());
  limit_ = std::max(limit_, node.value() + 1);
  Replace(node, std::move(member));
  return Status::Ok();
}

void MemberTable::Remove(NodeIndex node) {
  by_id_.Erase(PlaceOf((*this)[node].id));
  Replace(node, Member());
  while (limit_ > 0 && !Has(NodeIndex(limit_ - 1))) --limit_;
  pages_.resize((limit_ + kPerPage - 1) / kPerPage);
}

std::vector<Member> MemberTable::ToVector() const {
  std::vector<Member> members;
  members.reserve(limit_);
  for (uint32_t i = 0; i < limit_; ++i) members.push_back((*this)[NodeIndex(i)]);
  return members;
}

bool MemberTable::operator==(const MemberTable& other) const {
  if (limit_ != other.limit_ || fingerprint_ != other.fingerprint_) return false;
  for (size_t i = 0; i < pages_.size(); ++i) {
    if (pages_[i] != other.pages_[i] && *pages_[i] != *other.pages_[i]) return false;
  }
  return true;
}

}  // namespace ringkv
