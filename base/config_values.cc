#include "base/config_values.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "base/hex.h"
#include "base/limits.h"

namespace ringkv {
namespace {

struct Unit {
  std::string_view name;
  uint64_t factor;
};

// Largest first, so that a formatter takes the first that divides.
constexpr Unit kDurationUnits[] = {
    {"d", 86'400'000'000'000},
    {"h", 3'600'000'000'000},
    {"m", 60'000'000'000},
    {"s", 1'000'000'000},
    {"ms", 1'000'000},
    {"us", 1'000},
    {"ns", 1},
};
constexpr Unit kBinaryUnits[] = {
    {"TiB", 1ULL << 40}, {"GiB", 1ULL << 30}, {"MiB", 1ULL << 20}, {"KiB", 1ULL << 10}, {"B", 1}};
constexpr Unit kDecimalUnits[] = {{"TB", 1'000'000'000'000},
                                  {"GB", 1'000'000'000},
                                  {"MB", 1'000'000},
                                  {"KB", 1'000},
                                  {"kB", 1'000}};

std::string Quoted(std::string_view text) { return "'" + Printable(text, 80) + "'"; }

// Digits, then perhaps a unit. False if there are no digits or they do not fit into 64 bits.
bool SplitNumber(std::string_view text, uint64_t* number, std::string_view* unit) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  if (error != std::errc()) return false;
  *unit = text.substr(end - text.data());
  if (!unit->empty() && unit->front() == ' ') unit->remove_prefix(1);
  return true;
}

const Unit* FindUnit(std::span<const Unit> units, std::string_view name) {
  auto found =
      std::find_if(units.begin(), units.end(), [&](const Unit& u) { return u.name == name; });
  return found == units.end() ? nullptr : &*found;
}

std::string WithLargestUnit(std::span<const Unit> units, uint64_t number) {
  for (const Unit& unit : units) {
    if (number % unit.factor == 0)
      return std::to_string(number / unit.factor) + std::string(unit.name);
  }
  return std::to_string(number);
}

std::string_view Trimmed(std::string_view text) {
  auto is_space = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace

Result<Duration> ParseDuration(std::string_view text) {
  uint64_t number = 0;
  std::string_view name;
  auto bad = [&](std::string_view why) {
    return Status::InvalidArgument(Quoted(text) + " is not a duration" + std::string(why) +
                                   "; it needs a whole number and ns, us, ms, s, m, h or d, such "
                                   "as 100ms");
  };
  if (!SplitNumber(text, &number, &name)) return bad("");
  if (number == 0 && name.empty()) return Duration::zero();
  const Unit* unit = FindUnit(kDurationUnits, name);
  if (unit == nullptr) return bad(name.empty() ? ": its unit is missing" : ": its unit is unknown");
  if (number > static_cast<uint64_t>(INT64_MAX) / unit->factor) return bad(": it is too long");
  return Duration(static_cast<int64_t>(number * unit->factor));
}

std::string FormatDuration(Duration duration) {
  if (duration == Duration::zero()) return "0s";
  bool negative = duration < Duration::zero();
  uint64_t ns = static_cast<uint64_t>(duration.count());
  return (negative ? "-" : "") + WithLargestUnit(kDurationUnits, negative ? 0 - ns : ns);
}

Result<uint64_t> ParseBytes(std::string_view text) {
  uint64_t number = 0;
  std::string_view name;
  auto bad = [&](std::string_view why) {
    return Status::InvalidArgument(
        Quoted(text) + " is not a number of bytes" + std::string(why) +
        "; it needs a whole number and, if wanted, B, KiB, MiB, GiB, TiB, "
        "kB, MB, GB or TB, such as 64MiB");
  };
  if (!SplitNumber(text, &number, &name)) return bad("");
  if (name.empty()) return number;
  const Unit* unit = FindUnit(kBinaryUnits, name);
  if (unit == nullptr) unit = FindUnit(kDecimalUnits, name);
  if (unit == nullptr) return bad(": its unit is unknown");
  if (number > UINT64_MAX / unit->factor) return bad(": it is too large");
  return number * unit->factor;
}

std::string FormatBytes(uint64_t bytes) {
  return bytes == 0 ? "0B" : WithLargestUnit(kBinaryUnits, bytes);
}

Result<uint64_t> ParseUint(std::string_view text) {
  uint64_t number = 0;
  std::string_view rest;
  if (!SplitNumber(text, &number, &rest) || !rest.empty() || text.back() == ' ') {
    return Status::InvalidArgument(Quoted(text) + " is not a whole number");
  }
  return number;
}

Result<bool> ParseBool(std::string_view text) {
  if (text == "true" || text == "yes" || text == "on") return true;
  if (text == "false" || text == "no" || text == "off") return false;
  return Status::InvalidArgument(Quoted(text) + " is neither true nor false");
}

Result<NodeEntry> ParseNodeEntry(std::string_view text) {
  auto in_entry = [&](const Status& status) {
    return status.Annotate("node entry " + Quoted(text));
  };
  size_t equals = text.find('=');
  if (equals == std::string_view::npos) {
    return Status::InvalidArgument(Quoted(text) +
                                   " is not a node entry; it needs id=host:port[@zone][*vnodes]");
  }
  NodeEntry entry;
  Result<NodeId> id = NodeId::Parse(text.substr(0, equals));
  if (!id.ok()) return in_entry(id.status());
  entry.id = *id;

  std::string_view rest = text.substr(equals + 1);
  if (size_t star = rest.rfind('*'); star != std::string_view::npos) {
    Result<uint64_t> vnodes = ParseUint(rest.substr(star + 1));
    if (!vnodes.ok() || *vnodes < 1 || *vnodes > kMaxVnodes) {
      return in_entry(Status::InvalidArgument("vnodes is a whole number from 1 to " +
                                              std::to_string(kMaxVnodes)));
    }
    entry.vnodes = static_cast<uint32_t>(*vnodes);
    rest = rest.substr(0, star);
  }
  if (size_t at = rest.find('@'); at != std::string_view::npos) {
    entry.zone = rest.substr(at + 1);
    rest = rest.substr(0, at);
    if (Status status = CheckZone(entry.zone); !status.ok()) return in_entry(status);
  }
  if (Status status = CheckAddress(rest); !status.ok()) return in_entry(status);
  entry.address = rest;
  return entry;
}

std::string FormatNodeEntry(const NodeEntry& entry) {
  std::string text = entry.id.value() + "=" + entry.address;
  if (!entry.zone.empty()) text += "@" + entry.zone;
  return text + "*" + std::to_string(entry.vnodes);
}

Status CheckZone(std::string_view zone) {
  bool good =
      !zone.empty() && zone.size() <= 63 && std::all_of(zone.begin(), zone.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '-' || c == '_';
      });
  if (good) return Status::Ok();
  return Status::InvalidArgument(Quoted(zone) +
                                 " is not a zone; it needs 1 to 63 of [A-Za-z0-9._-]");
}

Status CheckDistinct(std::span<const NodeEntry> entries) {
  std::set<std::string_view> ids;
  std::map<std::string_view, std::string_view> by_address;
  for (const NodeEntry& entry : entries) {
    if (!ids.insert(entry.id.value()).second) {
      return Status::InvalidArgument("two nodes have the id '" + entry.id.value() + "'");
    }
    auto [other, fresh] = by_address.emplace(entry.address, entry.id.value());
    if (!fresh) {
      return Status::InvalidArgument("nodes '" + std::string(other->second) + "' and '" +
                                     entry.id.value() + "' have the same address " + entry.address);
    }
  }
  return Status::Ok();
}

std::vector<std::string> SplitList(std::string_view text) {
  std::vector<std::string> parts;
  if (Trimmed(text).empty()) return parts;
  for (size_t start = 0;;) {
    size_t comma = text.find(',', start);
    parts.emplace_back(Trimmed(text.substr(start, comma - start)));
    if (comma == std::string_view::npos) return parts;
    start = comma + 1;
  }
}

}  // namespace ringkv
