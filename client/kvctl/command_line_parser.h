// CommandLineParser: kvctl's commands and options as CLI11 sees them (command_definitions.cc), and
// the way from its answers to values (command_line.cc). Private to these two files; used once.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "client/kvctl/command_line.h"

namespace ringkv {

// CLI11 gives a meaning to two forms of plain arguments: `++` ends a command, and `[…]` is a list
// to be split; and its own `--` ends a command that could take more. A key is none of that: such
// arguments, and all after `--`, go through CLI11 behind a mark.
std::string Shield(std::string text);
std::string Unshield(const std::string& text);

// The text of an option as it was given, past CLI11's own conversions.
std::string TextOf(const CLI::Option* option);

// Builds the commands on a CLI::App. Each gets a `finish`, which makes its arguments into values
// once CLI11 has sorted them.
class CommandLineParser {
 public:
  CommandLineParser();
  Result<Invocation> Parse(int argc, const char* const* argv, const char* const* environment);

 private:
  using Finish = std::function<Result<CommandArgs>()>;
  using Arguments = std::vector<std::string>;
  // Takes the plain arguments of a plan from the front of `rest`.
  using FillPlan = std::function<Status(Arguments& rest, v1::PlanChangeRequest& out)>;

  CLI::App* Command(CLI::App* parent, const std::string& name, const std::string& about);
  CLI::Option* Words(CLI::App* app, const std::string& names, const std::string& about);
  static CLI::Option* Text(CLI::App* app, const std::string& name, const std::string& about,
                           const std::string& type);
  static CLI::Option* Flag(CLI::App* app, const std::string& name, const std::string& about);
  static CLI::Option* KeyBase64(CLI::App* app);
  static std::vector<std::string> All(const CLI::Option* words);

  void AddPut();
  void AddGet();
  void AddDel();
  void AddIncr();
  void AddScan();
  void AddFiles();
  void AddBench();
  void AddAdmin();
  void AddPlan(CLI::App* admin);
  // Commands that change the ring, and what follows their progress.
  void AddChanges(CLI::App* admin);
  void AddChangeOf(CLI::App* app, const std::string& names, const std::string& about,
                   CLI::Option* force, FillPlan fill);
  void AddMigrations(CLI::App* admin);
  // What a command that adds a node takes: its options, and how they become a request.
  FillPlan AddNodeOptions(CLI::App* app, bool address_needed);
  void AddAcceptLoss(CLI::App* admin);
  void AddPlanOf(CLI::App* app, const std::string& names, const std::string& about, FillPlan fill);
  Status LoadGlobals(const char* const* environment, Invocation& out) const;
  std::string Explain(const std::string& error) const;

  CLI::App app_{"Talks to a ringkv cluster.", "kvctl"};
  CLI::Option* router_;
  CLI::Option* timeout_;
  CLI::Option* output_;
  CLI::Option* config_;
  CLI::Option* check_config_;
  CLI::Option* version_;
  std::vector<std::pair<CLI::App*, Finish>> commands_;
};

}  // namespace ringkv
