// Reads what the processes logged and says which lines nobody can explain: every error, and every
// line that is not of the log's own form (the last words of a broken invariant, a sanitizer, a
// library that prints by itself).
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace ringkv {

// A line that may be there, and why.
struct ExplainedLine {
  std::string_view text;     // part of the line
  std::set<std::string> of;  // the kinds of fault that bring it about; empty: any run may have it
  std::string_view reason;
};

// The table; each entry is a decision.
const std::vector<ExplainedLine>& ExplainedLines();

struct LogFindings {
  std::vector<std::string> unexplained;
  uint64_t explained = 0;
};

// `faults`: the kinds that happened in the run. Findings are added up.
void JudgeLog(const std::string& process, std::string_view log, const std::set<std::string>& faults,
              LogFindings* findings);

}  // namespace ringkv
