// Strong types for what the project counts and names. None converts to another or to a bare
// integer by itself; `value()` does. All are small values, ordered and hashable.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/status.h"

namespace ringkv {

template <class Tag, class Rep>
class StrongId {
 public:
  constexpr StrongId() = default;
  constexpr explicit StrongId(Rep value) : value_(value) {}
  constexpr Rep value() const { return value_; }
  constexpr auto operator<=>(const StrongId&) const = default;

 private:
  Rep value_ = 0;
};

using SlotId = StrongId<struct SlotTag, uint32_t>;    // 0 to Q-1
using GroupId = StrongId<struct GroupTag, uint32_t>;  // 0 to groups-1
using Token = StrongId<struct TokenTag, uint64_t>;    // place in the hash space
using Epoch = StrongId<struct EpochTag, uint64_t>;    // of a placement; grows
using Term = StrongId<struct TermTag, uint32_t>;      // fencing number; 0 = none
using OwnerId = StrongId<struct OwnerTag, uint64_t>;  // random, one per ownership; 0 = none
using Incarnation = StrongId<struct IncarnationTag, uint64_t>;  // of a replica instance; from 1
using Boot = StrongId<struct BootTag, uint64_t>;                // starts of a node's disk; from 1

// Order of the writes of one key (docs/protocol.md, "Words"). (0, 0): never written.
struct Version {
  Term term;
  uint64_t seq = 0;
  constexpr auto operator<=>(const Version&) const = default;
  std::string ToString() const;  // "term.seq"
};

// Parses "term.seq".
Result<Version> ParseVersion(std::string_view text);

// A node's name: 1 to 63 of [a-z0-9-], starting with a letter or digit.
class NodeId {
 public:
  NodeId() = default;  // names no node
  static Result<NodeId> Parse(std::string_view text);
  const std::string& value() const { return value_; }
  bool empty() const { return value_.empty(); }
  auto operator<=>(const NodeId&) const = default;

 private:
  explicit NodeId(std::string value) : value_(std::move(value)) {}
  std::string value_;
};

// host:port, with a host that is a name, an IPv4 or a [bracketed IPv6] address and a port from 1 to
// 65535. Ok, or InvalidArgument that says what is wrong.
Status CheckAddress(std::string_view address);

}  // namespace ringkv

template <class Tag, class Rep>
struct std::hash<ringkv::StrongId<Tag, Rep>> {
  size_t operator()(const ringkv::StrongId<Tag, Rep>& id) const noexcept {
    return std::hash<Rep>{}(id.value());
  }
};

template <>
struct std::hash<ringkv::NodeId> {
  size_t operator()(const ringkv::NodeId& id) const noexcept {
    return std::hash<std::string>{}(id.value());
  }
};
