#include "client/kvctl/command_line.h"

#include <algorithm>
#include <optional>
#include <regex>
#include <string_view>

#include "base/config.h"
#include "base/config_schema.h"
#include "base/ids.h"
#include "base/near_miss.h"
#include "client/kvctl/byte_text.h"
#include "client/kvctl/command_line_parser.h"

namespace ringkv {
namespace {

constexpr char kShield = '\x01';

// The variables that kvctl reads, and those that look like one of them mistyped, so that these are
// errors; others that begin with RINGKV_ are the servers'.
std::vector<const char*> OwnVariables(const char* const* environment) {
  constexpr std::string_view kPrefix = "RINGKV_";
  static const std::vector<std::string> kOwn = {"ROUTER", "TIMEOUT", "OUTPUT", "CONFIG"};
  std::vector<const char*> own;
  for (const char* const* entry = environment; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    if (!text.starts_with(kPrefix)) continue;
    const std::string_view name = text.substr(kPrefix.size(), text.find('=') - kPrefix.size());
    if (name != "ROUTERS" && !DidYouMean(name, kOwn).empty()) own.push_back(*entry);
  }
  own.push_back(nullptr);
  return own;
}

// CLI11's words for what is wrong with an option, in ours.
std::string OptionError(const std::string& text) {
  static const std::regex missing("^(--[a-z0-9-]+): 1 required (.*) missing$");
  static const std::regex twice("^(--[a-z0-9-]+): At Most 1 required but received [0-9]+$");
  static const std::regex valued("^([a-z0-9-]+) was given a disallowed flag override$");
  std::smatch match;
  if (std::regex_match(text, match, missing)) {
    return match[1].str() + ": its value is missing: " + match[2].str();
  }
  if (std::regex_match(text, match, twice)) return match[1].str() + ": given more than once";
  if (std::regex_match(text, match, valued)) return "--" + match[1].str() + ": it takes no value";
  return text;
}

}  // namespace

std::string Shield(std::string text) {
  const bool list = text.size() >= 2 && text.front() == '[' && text.back() == ']';
  if (list || text == "++" || (!text.empty() && text.front() == kShield))
    text.insert(0, 1, kShield);
  return text;
}

std::string Unshield(const std::string& text) {
  return !text.empty() && text.front() == kShield ? text.substr(1) : text;
}

std::string TextOf(const CLI::Option* option) {
  return option->count() == 0 ? std::string() : Unshield(option->results().back());
}

Status CommandLineParser::LoadGlobals(const char* const* environment, Invocation& out) const {
  std::string format = "text";
  ConfigSchema schema("kvctl", "Talks to a ringkv cluster.");
  schema.AddAddresses("router", &out.globals.routers, "routers, in the order to try");
  schema.AddDuration("timeout", &out.globals.timeout, std::chrono::milliseconds(1),
                     std::chrono::hours(24), "for each call");
  schema.AddOneOf("output", &format, {"text", "json"}, "what results look like");

  std::vector<std::string> words = {"kvctl"};
  for (const auto& [name, option] :
       {std::pair{"--router", router_}, std::pair{"--timeout", timeout_},
        std::pair{"--output", output_}, std::pair{"--config", config_}}) {
    if (option->count() > 0) words.push_back(std::string(name) + "=" + TextOf(option));
  }
  if (check_config_->count() > 0) words.push_back("--check-config");
  std::vector<const char*> arguments;
  for (const std::string& word : words) arguments.push_back(word.c_str());

  const Result<Config> config = LoadConfig(schema, static_cast<int>(arguments.size()),
                                           arguments.data(), OwnVariables(environment).data());
  if (!config.ok()) return config.status();
  out.globals.timeout_given = config->OriginOf("timeout") != "default";
  out.globals.format = format == "json" ? OutputFormat::kJson : OutputFormat::kText;
  if (config->exit) {
    out.text = config->exit->text;
    out.code = config->exit->code;
  } else if (out.globals.routers.empty()) {
    return Status::InvalidArgument(
        "--router, or RINGKV_ROUTER: no address is given; it needs host:port, such as "
        "127.0.0.1:7400");
  }
  return Status::Ok();
}

Result<Invocation> CommandLineParser::Parse(int argc, const char* const* argv,
                                            const char* const* environment) {
  std::vector<std::string> words;
  bool plain = false;  // after `--`
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (plain) {
      words.push_back(kShield + word);
    } else if (word == "--") {
      plain = true;
    } else {
      words.push_back(Shield(word));
    }
  }
  std::reverse(words.begin(), words.end());  // as CLI11 takes them
  Invocation out;
  try {
    app_.parse(words);
  } catch (const CLI::CallForHelp&) {
    out.text = app_.help();
    return out;
  } catch (const CLI::ParseError& error) {
    return Status::InvalidArgument(Explain(error.what()));
  }
  if (version_->count() > 0) {
    out.text = "kvctl " + std::string(VersionText()) + "\n";
    return out;
  }
  RINGKV_RETURN_IF_ERROR(LoadGlobals(environment, out));
  if (check_config_->count() > 0) return out;

  for (const auto& [app, finish] : commands_) {
    if (!app->parsed()) continue;
    Result<CommandArgs> args = finish();
    if (!args.ok()) return args.status();
    out.command = std::move(args).value();
    return out;
  }
  if (!app_.got_subcommand("admin")) {
    return Status::InvalidArgument("which command? See kvctl --help");
  }
  return Status::InvalidArgument(app_.get_subcommand("admin")->got_subcommand("plan")
                                     ? "a plan of which change? See kvctl admin plan --help"
                                     : "which admin command? See kvctl admin --help");
}

std::string CommandLineParser::Explain(const std::string& error) const {
  // CLI11's words for a plain argument that nothing takes: here that can only be the command.
  std::string text = error;
  std::erase(text, kShield);
  text = Visible(text);
  constexpr std::string_view kExtra = "The following argument was not expected: ";
  if (!text.starts_with(kExtra)) return OptionError(text) + " (see kvctl --help)";
  const std::string word = text.substr(kExtra.size());
  if (word.starts_with("-")) {
    return "unknown option " + word + " (see kvctl --help; a KEY that starts with - goes after --)";
  }
  return "unknown command '" + word + "' (see kvctl --help)";
}

Result<Invocation> ParseCommandLine(int argc, const char* const* argv,
                                    const char* const* environment) {
  CommandLineParser parser;
  return parser.Parse(argc, argv, environment);
}

OutputFormat FormatOf(int argc, const char* const* argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--") break;
    if (word == "-ojson" || word == "-o=json" || word == "--output=json")
      return OutputFormat::kJson;
    if ((word == "-o" || word == "--output") && i + 1 < argc) {
      if (std::string_view(argv[i + 1]) == "json") return OutputFormat::kJson;
    }
  }
  return OutputFormat::kText;
}

}  // namespace ringkv
