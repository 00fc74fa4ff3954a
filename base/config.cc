#include "base/config.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/config_file.h"
#include "base/config_flags.h"
#include "base/config_problems.h"
#include "base/hex.h"
#include "base/near_miss.h"

namespace ringkv {
namespace {

constexpr std::string_view kEnvironmentPrefix = "RINGKV_";
constexpr std::string_view kConfigVariable = "RINGKV_CONFIG";

// ---- environment -------------------------------------------------------------------------

std::map<std::string, std::string, std::less<>> ReadEnvironment(const ConfigSchema& schema,
                                                                const char* const* environment,
                                                                ConfigProblems* problems) {
  std::map<std::string, std::string, std::less<>> values;
  std::vector<std::string> known;
  for (const ConfigSchema::Option& option : schema.options()) {
    known.push_back(option.environment_name());
  }
  for (; environment != nullptr && *environment != nullptr; ++environment) {
    std::string_view entry = *environment;
    size_t equals = entry.find('=');
    if (!entry.starts_with(kEnvironmentPrefix) || equals == std::string_view::npos) continue;
    std::string name(entry.substr(0, equals));
    bool is_known =
        name == kConfigVariable || std::find(known.begin(), known.end(), name) != known.end();
    if (is_known) {
      values.emplace(name, entry.substr(equals + 1));
    } else if (!schema.IgnoresEnvironment(name)) {
      problems->Add("env " + Printable(name), "unknown" + DidYouMean(name, known));
    }
  }
  return values;
}

// ---- together ----------------------------------------------------------------------------

// What is allowed is said once.
std::string WithAllowed(const std::string& what, const ConfigSchema::Option& option) {
  if (what.find(option.allowed()) != std::string::npos) return what;
  return what + "; allowed: " + option.allowed();
}

void Apply(const ConfigSchema::Option& option, const ConfigValue& value, const std::string& where,
           const std::string& path, ConfigProblems* problems) {
  ConfigProblem problem;
  if (option.required() && value.kind == ConfigValue::Kind::kText && value.text.empty()) {
    problem.status = Status::InvalidArgument("it must not be empty");
  } else {
    problem = option.Set(value);
  }
  if (problem.status.ok()) return;
  bool inside = problem.line > 0 && !path.empty();
  problems->Add(inside ? path + ":" + std::to_string(problem.line) : where,
                option.key() + ": " + WithAllowed(problem.status.message(), option));
}

// Values that are good each by itself, and do not go together.
void CheckTogether(const ConfigSchema& schema, const Config& config, ConfigProblems* problems) {
  for (const ConfigSchema::Check& check : schema.checks()) {
    const ConfigConflict conflict = check();
    if (conflict.status.ok()) continue;
    problems->Add(config.OriginOf(conflict.key), conflict.key + ": " + conflict.status.message());
  }
}

std::string EffectiveYaml(const ConfigSchema& schema, const std::vector<ConfigOrigin>& origins) {
  std::string out = "# " + schema.program() + " " + std::string(VersionText()) + "\n";
  size_t i = 0;
  for (const ConfigSchema::Option& option : schema.options()) {
    std::string yaml = option.Yaml();
    std::string comment = "  # " + origins[i++].origin;
    out += option.key() + ":";
    out += yaml.starts_with('\n') ? comment + yaml : " " + yaml + comment;
    out += "\n";
  }
  return out;
}

}  // namespace

std::string_view VersionText() { return RINGKV_VERSION; }

std::string_view Config::OriginOf(std::string_view key) const {
  auto found = std::find_if(origins.begin(), origins.end(),
                            [&](const ConfigOrigin& origin) { return origin.key == key; });
  return found == origins.end() ? std::string_view() : std::string_view(found->origin);
}

Result<Config> LoadConfig(const ConfigSchema& schema, int argc, const char* const* argv,
                          const char* const* environment) {
  ConfigProblems problems;
  Config config;
  ConfigFlags flags = ReadConfigFlags(schema, argc, argv, &problems);
  if (flags.help || flags.version) {
    std::string version = schema.program() + " " + std::string(VersionText()) + "\n";
    config.exit = ConfigExit{flags.help ? schema.Help() : version, 0};
    return config;
  }
  auto variables = ReadEnvironment(schema, environment, &problems);
  config.file = flags.config_file;
  if (config.file.empty() && variables.contains(kConfigVariable)) {
    config.file = variables.find(kConfigVariable)->second;
  }
  ConfigFile file;
  if (!config.file.empty()) file = ReadConfigFile(schema, config.file, &problems);

  for (const ConfigSchema::Option& option : schema.options()) {
    std::string origin = "default";
    auto flag = flags.values.find(option.key());
    auto variable = variables.find(option.environment_name());
    auto entry = file.entries.find(option.key());
    // A bad value in the file is an error even where a flag hides it: read it first, then over it.
    if (entry != file.entries.end()) {
      std::string where = config.file + ":" + std::to_string(entry->second.line);
      origin = "file " + where;
      Apply(option, entry->second.value, where, config.file, &problems);
    }
    if (variable != variables.end()) {
      origin = "env " + option.environment_name();
      Apply(option, ConfigValue{.text = variable->second}, origin, "", &problems);
    }
    if (flag != flags.values.end()) {
      origin = "flag " + option.flag();
      Apply(option, flag->second, origin, "", &problems);
    }
    // Where the file or the flag is wrong, that is what has to be mended first.
    const bool known_missing = file.readable && !flags.bad.contains(option.key());
    if (option.required() && origin == "default" && known_missing) {
      problems.Add(option.key(), "required: give " + option.flag() + ", " +
                                     option.environment_name() + " or '" + option.key() +
                                     ":' in the file; allowed: " + option.allowed());
    }
    config.origins.push_back({option.key(), origin});
  }
  if (problems.empty()) CheckTogether(schema, config, &problems);
  if (!problems.empty()) return problems.ToStatus();
  config.effective = EffectiveYaml(schema, config.origins);
  if (flags.check) config.exit = ConfigExit{config.effective, 0};
  return config;
}

}  // namespace ringkv
