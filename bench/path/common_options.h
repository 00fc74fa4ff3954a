// Checks of the options that benchmarks of loads have in common.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "base/status.h"

namespace ringkv::bench {

// That `parse` accepts the text; what it says where it does not.
template <class Parsed>
CLI::Validator Parses(Result<Parsed> (*parse)(const std::string&)) {
  return CLI::Validator(
      [parse](const std::string& text) {
        const auto parsed = parse(text);
        return parsed.ok() ? std::string() : parsed.status().message();
      },
      "");
}

}  // namespace ringkv::bench
