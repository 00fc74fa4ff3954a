// A file of cases of bad input (tests/badinput/cases/*.txt): what is typed, one command a line.
//
//   # Title                  first line: the heading of the table
//   needs: cluster           second line: nothing, or a cluster that runs
//   Prose, for the reader of the table.
//   > mkdir folder           prepares what follows; must succeed; not shown
//   $ kvctl get ''           a case
//   $+ kvnode --id n9 ...    one that may make files
//
// Commands are bash's, with the functions of prelude.sh. Blank lines separate.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"

namespace ringkv::badinput {

enum class Needs { kNothing, kCluster };

struct Case {
  std::vector<std::string> setup;  // commands that come before it
  std::string command;
  bool makes_files = false;
  int line = 0;
};

struct CaseFile {
  std::string name;  // "kvctl_keys"
  std::string title;
  std::string prose;
  Needs needs = Needs::kNothing;
  std::vector<Case> cases;
};

// InvalidArgument names file and line.
Result<CaseFile> ParseCaseFile(const std::string& name, const std::string& text);

// All files, in the order of their names, or those that need the same.
Result<std::vector<CaseFile>> LoadCaseFiles();
Result<std::vector<CaseFile>> LoadCaseFiles(Needs needs);

}  // namespace ringkv::badinput
