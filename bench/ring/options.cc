#include "bench/ring/options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "base/config_values.h"
#include "bench/ring/reference_contenders.h"

namespace ringkv::bench {
namespace {

constexpr std::string_view kRing = "ring";

std::vector<std::string> Keys() {
  std::vector<std::string> keys = {std::string(kRing)};
  for (std::string_view key : ReferenceKeys()) keys.emplace_back(key);
  return keys;
}

Status Bounded(const char* option, const std::string& text, uint64_t low, uint64_t high,
               uint64_t& out) {
  const Result<uint64_t> number = ParseUint(text);
  if (!number.ok()) return number.status().Annotate(option);
  if (*number < low || *number > high) {
    return Status::InvalidArgument(
        fmt::format("{}: {} is not from {} to {}", option, *number, low, high));
  }
  out = *number;
  return Status::Ok();
}

// What CLI11 has sorted, still as text.
struct Texts {
  std::vector<std::string> nodes;
  std::string runs;
  std::vector<std::string> only;
  bool quick = false;
  std::string json_file;
};

Result<Options> Judge(const Texts& texts) {
  Options options;
  options.quick = texts.quick;
  options.json_file = texts.json_file;
  if (texts.quick) options.nodes = {10, 1'000};
  if (!texts.nodes.empty()) options.nodes.clear();
  for (const std::string& text : texts.nodes) {
    uint64_t nodes = 0;
    RINGKV_RETURN_IF_ERROR(Bounded("--nodes", text, kMinNodes, kMaxNodes, nodes));
    options.nodes.push_back(static_cast<uint32_t>(nodes));
  }
  if (!texts.runs.empty()) {
    uint64_t runs = 0;
    RINGKV_RETURN_IF_ERROR(Bounded("--runs", texts.runs, kMinRuns, kMaxRuns, runs));
    options.runs = static_cast<int>(runs);
  }
  const std::vector<std::string> keys = Keys();
  for (const std::string& key : texts.only) {
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
      return Status::InvalidArgument(
          fmt::format("--only: '{}' is none of {}", key, fmt::join(keys, ", ")));
    }
    options.only.push_back(key);
  }
  return options;
}

}  // namespace

bool Options::Wants(std::string_view key) const {
  return only.empty() || std::find(only.begin(), only.end(), key) != only.end();
}

Result<Invocation> ParseCommandLine(int argc, const char* const* argv) {
  Texts texts;
  CLI::App app("Times this ring and others side by side: look-ups, changes, memory, balance.",
               "./dev bench ring");
  app.add_option("--nodes", texts.nodes,
                 "sizes, with commas; 10,100,1000,100000,1000000, or with --quick 10,1000")
      ->delimiter(',')
      ->type_name("N");
  app.add_option("--runs", texts.runs, "runs of each look-up, of which the median counts; 7")
      ->type_name("N");
  app.add_option("--only", texts.only, fmt::format("only these of {}", fmt::join(Keys(), ", ")))
      ->delimiter(',')
      ->type_name("NAME");
  app.add_flag("--quick", texts.quick, "short runs: seconds, and less to be trusted");
  app.add_option("--json", texts.json_file, "write all figures there")->type_name("FILE");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return Invocation{.options = std::nullopt, .text = app.help()};
  } catch (const CLI::ParseError& error) {
    return Status::InvalidArgument(error.what());
  }
  Result<Options> options = Judge(texts);
  if (!options.ok()) return options.status();
  return Invocation{.options = std::move(options).value(), .text = {}};
}

}  // namespace ringkv::bench
