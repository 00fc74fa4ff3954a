// Options that benchmarks of loads have in common, and their checks.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "base/status.h"
#include "bench/path/cases.h"

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

// Which cases are measured, and for how long. `Options` has seconds, warm_seconds, shapes, mixes
// and keys.
template <class Options>
void AddCaseOptions(Options& options, CLI::App* app) {
  app->add_option("--seconds", options.seconds, "For each case")->check(CLI::Range(0.2, 600.0));
  app->add_option("--warm-seconds", options.warm_seconds, "Before each case")
      ->check(CLI::Range(0.0, 600.0));
  app->add_option("--load", options.shapes, "CONNECTIONSxIN_FLIGHT")
      ->delimiter(',')
      ->check(Parses(&ParseShape));
  app->add_option("--mix", options.mixes, "put, get, or GETS/PUTS in percent")
      ->delimiter(',')
      ->check(Parses(&ParseMix));
  app->add_option("--keys", options.keys, "Keys; fewer where their values are large")
      ->check(CLI::Range(uint64_t{1'000}, uint64_t{100'000'000}));
}

}  // namespace ringkv::bench
