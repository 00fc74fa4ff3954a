// Runs golden scripts: plays each block on a machine and compares what it did with what the script
// says, or, with GOLDEN_REWRITE=1 in the environment, writes what it did into the script.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "tests/golden/script.h"

namespace ringkv::golden {

// A state machine under a script.
class Machine {
 public:
  virtual ~Machine() = default;
  // Executes one command and appends the effects that it had, one a line. InvalidArgument: the
  // command makes no sense; nothing was done.
  virtual Status Run(const Command& command, std::vector<std::string>* effects) = 0;
};

using MakeMachine = std::function<std::unique_ptr<Machine>()>;

// Plays all blocks and puts the effects found in place of those written. Lines that come several
// times in a row become one with a count; a block without effects says "(nothing)". The command
// `anew` begins another story, on a new machine. The error names file and line.
Result<Script> Play(const Script& script, const MakeMachine& make);

// Where `found` differs from `wanted`: file, line, commands, and both sides. Empty: they are the
// same.
std::string Differences(const Script& wanted, const Script& found);

// The scripts below tests/golden, as paths from there, sorted.
std::vector<std::string> AllScripts();
// Those whose machine this is. One that cannot be parsed belongs to every machine, so that no one
// overlooks it.
std::vector<std::string> ScriptsFor(const std::string& machine);
Result<Script> LoadScript(const std::string& path);

// Plays the script; a difference is a failure of the running test, unless it is to be rewritten.
void CheckScript(const std::string& path, const MakeMachine& make);

// "owner/r02_write.txt" as a test's name.
std::string TestName(const std::string& path);

}  // namespace ringkv::golden
