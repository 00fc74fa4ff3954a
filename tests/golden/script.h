// Golden scripts: text files that tell what a state machine is told and what it does then. A script
// is a comment (what it is about), a line `machine NAME` (who plays it), and blocks: commands, one
// a line, a line `----`, and the effects that they had, up to an empty line or the end of the file.
//
//   # R2: a write is committed by a quorum.
//   # Look at the second answer: the client hears nothing before it.
//   machine owner
//
//   put k v
//   ----
//   -> n1 apply k=v version=7.1
//
// A command is words and options (`name=value`), divided by blanks. Lines that start with `#` are
// comments, also between blocks; they and empty lines stay where they are when a script is
// rewritten. Values; thread-compatible.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/status.h"

namespace ringkv::golden {

struct Command {
  int line = 0;  // in the file, from 1
  std::string text;
  std::string name;                // the first word
  std::vector<std::string> words;  // the others
  std::map<std::string, std::string> options;
};

struct Block {
  std::vector<std::string> before;  // comments and empty lines that lead to it, as they are
  std::vector<Command> commands;    // at least one
  int effects_line = 0;             // where the effects begin
  std::vector<std::string> effects;
};

struct Script {
  std::string file;
  std::vector<std::string> opening;  // up to and with the line that names the machine
  std::string machine;
  std::vector<Block> blocks;       // at least one
  std::vector<std::string> after;  // what follows the last one
};

// InvalidArgument names file and line.
Result<Script> ParseScript(std::string file, std::string_view text);

// The text of a script: of an unchanged one, that which it was parsed from.
std::string FormatScript(const Script& script);

// Takes a command apart. The first thing that is missing or makes no sense is kept as the error;
// until Finish has been asked for it, answers are defaults.
class Arguments {
 public:
  explicit Arguments(const Command& command) : left_(command) {}

  // The next word. `what` names it in the error.
  std::string Word(std::string_view what);
  // The next word, if there is one.
  std::optional<std::string> WordIfAny();
  // Whether the word is there, anywhere.
  bool Flag(std::string_view word);
  std::optional<std::string> Option(const std::string& name);
  uint64_t Number(const std::string& name, uint64_t otherwise);
  std::optional<uint64_t> NumberIfAny(const std::string& name);
  bool YesNo(const std::string& name, bool otherwise);
  Duration Time(const std::string& name, Duration otherwise);
  std::optional<Version> VersionIfAny(const std::string& name);

  // For what only the caller can judge.
  void Complain(std::string error);
  // Ok when all was there, made sense, and was used.
  Status Finish() const;

 private:
  Command left_;
  std::string error_;
};

}  // namespace ringkv::golden
