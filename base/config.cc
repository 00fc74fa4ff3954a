#include "base/config.h"

#include <fcntl.h>
#include <unistd.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <sstream>
#include <utility>

#include "base/hex.h"
#include "base/near_miss.h"

namespace ringkv {
namespace {

constexpr std::string_view kEnvironmentPrefix = "RINGKV_";
constexpr std::string_view kConfigVariable = "RINGKV_CONFIG";

// ---- what the three sources give, before it has a type ----------------------------------

struct Flags {
  std::map<std::string, ConfigValue, std::less<>> values;  // by key
  std::string config_file;
  bool help = false;
  bool version = false;
  bool check = false;
};

struct FileEntry {
  ConfigValue value;
  int line = 0;  // of its key
};
using FileEntries = std::map<std::string, FileEntry, std::less<>>;

// All that is wrong, one line each.
class Problems {
 public:
  void Add(std::string_view where, std::string_view what) {
    lines_.push_back(std::string(where) + ": " + std::string(what));
  }
  bool empty() const { return lines_.empty(); }
  Status ToStatus() const {
    std::string text;
    for (const std::string& line : lines_) text += (text.empty() ? "" : "\n") + line;
    return Status::InvalidArgument(text);
  }

 private:
  std::vector<std::string> lines_;
};

// ---- flags -------------------------------------------------------------------------------

// CLI11 finds the flags; what they mean is ours.
Flags ReadFlags(const ConfigSchema& schema, int argc, const char* const* argv, Problems* problems) {
  Flags flags;
  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  app.add_flag("-h,--help", flags.help);
  app.add_flag("--version", flags.version);
  app.add_flag("--check-config", flags.check);
  auto add = [&app](const std::string& name) {
    return app.add_option(name)->expected(1)->take_all()->allow_extra_args(false);
  };
  CLI::Option* config = add("--config");
  std::vector<std::pair<const ConfigSchema::Option*, CLI::Option*>> parsed;
  std::vector<std::string> known = {"--help", "--version", "--check-config", "--config"};
  for (const ConfigSchema::Option& option : schema.options()) {
    parsed.emplace_back(&option, add(option.flag()));
    if (option.is_bool()) parsed.back().second->expected(0, 1);
    known.push_back(option.flag());
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    problems->Add("flags", error.what());
    return flags;
  }
  for (const std::string& extra : app.remaining()) {
    std::string name = extra.substr(0, extra.find('='));
    if (extra.starts_with('-')) {
      problems->Add("flag " + Printable(name), "unknown" + DidYouMean(name, known));
    } else {
      problems->Add("flags", "'" + Printable(extra) + "' belongs to no flag");
    }
    break;  // what follows is often the value of the unknown flag
  }
  if (config->count() > 1) problems->Add("flag --config", "given more than once");
  if (config->count() == 1) flags.config_file = config->results().front();
  if (config->count() == 1 && flags.config_file.empty()) {
    problems->Add("flag --config", "its value is empty; it needs a file");
  }
  for (const auto& [option, flag] : parsed) {
    if (flag->count() == 0) continue;
    ConfigValue value;
    bool first = true;
    for (const std::string& text : flag->results()) {
      value.text += (std::exchange(first, false) ? "" : ",") + text;
    }
    if (flag->count() > 1 && !option->is_list()) {
      problems->Add("flag " + option->flag(), "given more than once");
      continue;
    }
    if (option->is_bool() && value.text.empty()) value.text = "true";
    flags.values.emplace(option->key(), std::move(value));
  }
  return flags;
}

// ---- environment -------------------------------------------------------------------------

std::map<std::string, std::string, std::less<>> ReadEnvironment(const ConfigSchema& schema,
                                                                const char* const* environment,
                                                                Problems* problems) {
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

// ---- file --------------------------------------------------------------------------------

Result<std::string> ReadWholeFile(const std::string& path) {
  auto failed = [&](std::string_view why) {
    return Status::InvalidArgument("cannot read the configuration file: " + std::string(why));
  };
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return failed(std::strerror(errno));
  std::string text;
  char buffer[16384];
  ssize_t n = 0;
  int error = 0;
  while (text.size() <= kMaxConfigFileBytes) {
    n = ::read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    text.append(buffer, static_cast<size_t>(n));
  }
  if (n < 0) error = errno;
  ::close(fd);
  if (error == EISDIR) return failed("it is a directory");
  if (error != 0) return failed(std::strerror(error));
  if (text.size() > kMaxConfigFileBytes) return failed("it is larger than 1MiB");
  if (text.find('\0') != std::string::npos) return failed("it is not a text file");
  return text;
}

int LineOf(const YAML::Mark& mark) { return mark.line + 1; }

// Hears where documents begin, and nothing else.
class DocumentStarts final : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark& mark) override { last_line = LineOf(mark); }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}

  int last_line = 0;
};

// The line where something follows the first document, or 0. YAML::Load says nothing of it, and
// YAML::LoadAll never ends on a stray line that starts with '%'.
int LineAfterFirstDocument(const std::string& text) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  DocumentStarts starts;
  if (!parser.HandleNextDocument(starts) || !parser) return 0;
  parser.HandleNextDocument(starts);
  return starts.last_line;
}

// Bounds what a file can make us do: anchors and aliases can make a small file huge, or endless.
constexpr int kMaxDepth = 4;
constexpr int kMaxValues = 100'000;

struct TooMuch {
  int line;
};

ConfigValue FromYaml(const YAML::Node& node, int depth, int* budget) {
  ConfigValue value;
  value.line = LineOf(node.Mark());
  if (depth > kMaxDepth || --*budget < 0) throw TooMuch{value.line};
  switch (node.Type()) {
    case YAML::NodeType::Scalar:
      value.text = node.Scalar();
      break;
    case YAML::NodeType::Sequence:
      value.kind = ConfigValue::Kind::kList;
      for (const YAML::Node& item : node) value.items.push_back(FromYaml(item, depth + 1, budget));
      break;
    case YAML::NodeType::Map:
      value.kind = ConfigValue::Kind::kMap;
      for (const auto& pair : node) {
        const YAML::Node& key = pair.first;
        const YAML::Node& field = pair.second;
        std::string name = key.IsScalar() ? key.Scalar() : "?";
        value.fields.push_back({std::move(name), FromYaml(field, depth + 1, budget)});
        // A field without a value has no place of its own.
        if (field.IsNull()) value.fields.back().value.line = LineOf(key.Mark());
      }
      break;
    default:
      value.kind = ConfigValue::Kind::kNothing;
  }
  return value;
}

void ReadTopLevel(const ConfigSchema& schema, const std::string& path, const YAML::Node& root,
                  FileEntries* entries, Problems* problems) {
  std::vector<std::string> known;
  for (const ConfigSchema::Option& option : schema.options()) known.push_back(option.key());
  int budget = kMaxValues;
  for (const auto& pair : root) {
    const YAML::Node& key = pair.first;
    int line = LineOf(key.Mark());
    std::string where = path + ":" + std::to_string(line);
    std::string name = key.IsScalar() ? key.Scalar() : "";
    std::string shown = "'" + Printable(name) + "'";
    if (schema.Find(name) == nullptr) {
      problems->Add(where, "unknown key " + shown + DidYouMean(name, known));
      continue;
    }
    auto [entry, fresh] = entries->try_emplace(name);
    if (!fresh) {
      problems->Add(where, "key " + shown + " is given twice, first in line " +
                               std::to_string(entry->second.line));
      continue;
    }
    entry->second.line = line;
    entry->second.value = FromYaml(pair.second, 1, &budget);
  }
}

FileEntries ReadFile(const ConfigSchema& schema, const std::string& path, Problems* problems) {
  FileEntries entries;
  Result<std::string> text = ReadWholeFile(path);
  if (!text.ok()) {
    problems->Add(path, text.status().message());
    return entries;
  }
  auto at = [&](int line) { return path + ":" + std::to_string(line); };
  try {
    if (int line = LineAfterFirstDocument(*text); line != 0) {
      problems->Add(at(line), "a second YAML document begins; one is allowed");
      return entries;
    }
    YAML::Node root = YAML::Load(*text);
    if (root.IsMap()) {
      ReadTopLevel(schema, path, root, &entries, problems);
    } else if (!root.IsNull()) {  // an empty file, or one of comments, sets nothing
      problems->Add(at(LineOf(root.Mark())), "it needs lines of 'key: value'");
    }
  } catch (const YAML::Exception& error) {
    int line = error.mark.is_null() ? 1 : LineOf(error.mark);
    problems->Add(at(line), "not valid YAML: " + error.msg);
  } catch (const TooMuch& too_much) {
    problems->Add(at(too_much.line), "nested too deeply, or too much");
  } catch (const std::exception& error) {
    problems->Add(path, std::string("not valid YAML: ") + error.what());
  }
  return entries;
}

// ---- together ----------------------------------------------------------------------------

void Apply(const ConfigSchema::Option& option, const ConfigValue& value, const std::string& where,
           const std::string& path, Problems* problems) {
  ConfigProblem problem;
  if (option.required() && value.kind == ConfigValue::Kind::kText && value.text.empty()) {
    problem.status = Status::InvalidArgument("it must not be empty");
  } else {
    problem = option.Set(value);
  }
  if (problem.status.ok()) return;
  bool inside = problem.line > 0 && !path.empty();
  problems->Add(inside ? path + ":" + std::to_string(problem.line) : where,
                option.key() + ": " + problem.status.message() + "; allowed: " + option.allowed());
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
  Problems problems;
  Config config;
  Flags flags = ReadFlags(schema, argc, argv, &problems);
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
  FileEntries entries;
  if (!config.file.empty()) entries = ReadFile(schema, config.file, &problems);

  for (const ConfigSchema::Option& option : schema.options()) {
    std::string origin = "default";
    auto flag = flags.values.find(option.key());
    auto variable = variables.find(option.environment_name());
    auto entry = entries.find(option.key());
    // A bad value in the file is an error even where a flag hides it: read it first, then over it.
    if (entry != entries.end()) {
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
    if (option.required() && origin == "default") {
      problems.Add(option.key(), "required: give " + option.flag() + ", " +
                                     option.environment_name() + " or '" + option.key() +
                                     ":' in the file; allowed: " + option.allowed());
    }
    config.origins.push_back({option.key(), origin});
  }
  if (!problems.empty()) return problems.ToStatus();
  config.effective = EffectiveYaml(schema, config.origins);
  if (flags.check) config.exit = ConfigExit{config.effective, 0};
  return config;
}

}  // namespace ringkv
