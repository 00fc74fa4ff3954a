// How values of the configuration and of command lines are written: durations, sizes, whole
// numbers, booleans and node entries. Each parser takes the whole text or says, in InvalidArgument,
// what it was given and what is allowed; each formatter prints what its parser reads back to the
// same value. Pure functions; thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/status.h"

namespace ringkv {

// A whole number and one of ns, us, ms, s, m, h, d: "100ms", "5s". "0" needs no unit.
Result<Duration> ParseDuration(std::string_view text);
std::string FormatDuration(Duration duration);

// A whole number and, if wanted, one of B, KiB, MiB, GiB, TiB (1024) or kB, KB, MB, GB, TB (1000).
Result<uint64_t> ParseBytes(std::string_view text);
std::string FormatBytes(uint64_t bytes);

// Decimal digits only.
Result<uint64_t> ParseUint(std::string_view text);

// true, false, yes, no, on, off.
Result<bool> ParseBool(std::string_view text);

// One storage node, as the router's configuration names it when a cluster is formed.
struct NodeEntry {
  NodeId id;
  std::string address;
  std::string zone;  // empty: no zone is known
  uint32_t vnodes = 128;
  bool operator==(const NodeEntry&) const = default;
};

// `id=host:port[@zone][*vnodes]`
Result<NodeEntry> ParseNodeEntry(std::string_view text);
std::string FormatNodeEntry(const NodeEntry& entry);

// A zone's name: 1 to 63 of [A-Za-z0-9._-].
Status CheckZone(std::string_view zone);

// Ok if no two entries share an id or an address.
Status CheckDistinct(std::span<const NodeEntry> entries);

// "a,b,c" to its parts, without the spaces around them; "" has none.
std::vector<std::string> SplitList(std::string_view text);

}  // namespace ringkv
