// The command line of the ring's benchmark. Pure but for reading `argv`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"

namespace ringkv::bench {

inline constexpr uint32_t kMinNodes = 3;  // a row of three replicas
inline constexpr uint32_t kMaxNodes = 1'000'000;
inline constexpr int kMinRuns = 7;
inline constexpr int kMaxRuns = 1000;

struct Options {
  std::vector<uint32_t> nodes = {10, 100, 1'000, 100'000, 1'000'000};
  int runs = kMinRuns;
  std::vector<std::string> only;  // keys of contenders; none: all
  bool quick = false;
  std::string json_file;  // empty: none

  bool Wants(std::string_view key) const;
};

// The options, or a text to print instead of running (--help). InvalidArgument says what is wrong.
struct Invocation {
  std::optional<Options> options;
  std::string text;
};
Result<Invocation> ParseCommandLine(int argc, const char* const* argv);

}  // namespace ringkv::bench
