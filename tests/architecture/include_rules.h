// Which file may include what (docs/architecture.md): the direction between folders, where gRPC and
// RocksDB may appear, and what the pure core must not touch. Looks at a file's own #include lines,
// not at what they bring along. Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ringkv {

struct Violation {
  int line = 0;  // from 1
  std::string text;
};

// `path` is relative to the root of the repository, with slashes: "router/sequencer.cc". Files
// outside the folders that have rules (tests, bench, …) have no violations.
std::vector<Violation> CheckIncludes(std::string_view path, std::string_view content);

// The folders that have rules.
const std::vector<std::string>& RuledFolders();

}  // namespace ringkv
