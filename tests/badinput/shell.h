// Runs one command as a user types it: bash, in a directory of its own, with our programs in the
// PATH and a small environment. Thread-compatible.
#pragma once

#include <map>
#include <string>

#include "tests/kvnode/temp_dir.h"

namespace ringkv::badinput {

struct ShellResult {
  std::string output;  // stdout and stderr, as they came
  std::string code;    // the exit code; or what the command wrote down as its code (prelude.sh)
  bool in_time = true;
};

class Shell {
 public:
  // `variables` are in the commands' environment.
  explicit Shell(std::map<std::string, std::string> variables);

  // Ends what has not ended in time, with all that it started.
  ShellResult Run(const std::string& command);

  const std::string& directory() const { return directory_; }
  // What stands in the directory: name, type, size and time of the last change of each file. What
  // RocksDB keeps in a directory of its own is left out: it writes there whenever it is opened.
  std::string Listing() const;

 private:
  std::map<std::string, std::string> variables_;
  TempDir temp_;
  const std::string directory_;  // below temp_
};

}  // namespace ringkv::badinput
