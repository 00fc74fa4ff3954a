#include "tests/chaos/options.h"

#include <charconv>
#include <cmath>
#include <set>
#include <sstream>

#include "base/random.h"
#include "tests/chaos/fault.h"

namespace ringkv {
namespace {

constexpr double kMinMinutes = 0.1, kMaxMinutes = 24 * 60;
constexpr int kMaxRate = 20'000;

template <class T>
bool Parse(const std::string& text, T* out) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, *out);
  return error == std::errc() && stop == end;
}

std::string Names() {
  std::string names;
  for (const auto& fault : AllFaults()) {
    names += (names.empty() ? "" : ", ") + fault->kind().name;
  }
  return names;
}

Status ParseFaults(const std::string& text, std::vector<std::string>* faults) {
  std::set<std::string> seen;
  std::istringstream list(text + ",");
  for (std::string name; std::getline(list, name, ',');) {
    if (FindFault(name) == nullptr) {
      return Status::InvalidArgument("--faults: there is no fault '" + name +
                                     "'; there are: " + Names());
    }
    if (seen.insert(name).second) faults->push_back(name);
  }
  return Status::Ok();
}

Status SetOption(const std::string& name, const std::string& value, ChaosOptions* options) {
  if (name == "--minutes") {
    const bool right = Parse(value, &options->minutes) && std::isfinite(options->minutes) &&
                       options->minutes >= kMinMinutes && options->minutes <= kMaxMinutes;
    if (!right) {
      return Status::InvalidArgument("--minutes: '" + value + "' is not a number from 0.1 to 1440");
    }
    return Status::Ok();
  }
  if (name == "--seed") {
    if (Parse(value, &options->seed) && options->seed > 0) return Status::Ok();
    return Status::InvalidArgument("--seed: '" + value + "' is not a whole number from 1 on");
  }
  if (name == "--rate") {
    const bool right =
        Parse(value, &options->rate) && options->rate >= 1 && options->rate <= kMaxRate;
    if (right) return Status::Ok();
    return Status::InvalidArgument("--rate: '" + value + "' is not a whole number from 1 to " +
                                   std::to_string(kMaxRate));
  }
  if (name == "--faults") return ParseFaults(value, &options->faults);
  if (name == "--out") {
    if (value.empty()) return Status::InvalidArgument("--out: the name is empty");
    options->out = value;
    return Status::Ok();
  }
  return Status::InvalidArgument("unknown option '" + name + "'");
}

bool TakesValue(const std::string& name) {
  const std::set<std::string> known = {"--minutes", "--seed", "--rate", "--faults", "--out"};
  return known.contains(name);
}

}  // namespace

std::string ChaosOptions::Replay() const {
  std::ostringstream command;
  command << "./dev chaos --minutes " << minutes << " --seed " << seed;
  for (size_t i = 0; i < faults.size(); ++i) command << (i == 0 ? " --faults " : ",") << faults[i];
  if (rate != ChaosOptions().rate) command << " --rate " << rate;
  return command.str();
}

Result<ChaosOptions> ParseChaosOptions(const std::vector<std::string>& arguments) {
  ChaosOptions options;
  for (size_t i = 0; i < arguments.size(); ++i) {
    std::string name = arguments[i];
    if (name == "--help" || name == "-h") {
      options.help = true;
      return options;
    }
    std::string value;
    const size_t equals = name.find('=');
    if (equals != std::string::npos) {
      value = name.substr(equals + 1);
      name.resize(equals);
    } else if (TakesValue(name)) {
      if (i + 1 == arguments.size()) return Status::InvalidArgument(name + " needs a value");
      value = arguments[++i];
    }
    RINGKV_RETURN_IF_ERROR(SetOption(name, value, &options));
  }
  // Short, to be typed again.
  if (options.seed == 0) options.seed = 1 + RandomSeed() % 1'000'000'000;
  if (options.out.empty()) options.out = "build/chaos/seed-" + std::to_string(options.seed);
  return options;
}

std::string ChaosHelp() {
  std::string text =
      "usage: ./dev chaos [--minutes M] [--seed S] [--faults LIST] [--out DIR] [--rate R]\n\n"
      "  --minutes M    of load with faults (2); fractions are fine\n"
      "  --seed S       which faults, to whom, when (drawn and printed)\n"
      "  --faults LIST  kinds, with commas (all that can be tried)\n"
      "  --out DIR      for history.jsonl, report.json and logs/ (build/chaos/seed-S)\n"
      "  --rate R       operations a second (400)\n\nfaults:\n";
  for (const auto& fault : AllFaults()) {
    std::string name = fault->kind().name;
    name.resize(14, ' ');
    text += "  " + name + fault->kind().about + "\n";
  }
  return text +
         "\nExit codes: 0 all that was checked passed, 1 something did not, 2 wrong usage, 3 none "
         "of the\nfaults asked for can be tried yet. docs/chaos.md tells the rest.\n";
}

}  // namespace ringkv
