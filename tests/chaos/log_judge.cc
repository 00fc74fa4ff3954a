#include "tests/chaos/log_judge.h"

#include <algorithm>
#include <cctype>

namespace ringkv {
namespace {

enum class LineKind { kFine, kError, kForeign };

// "2024-05-01T12:00:00.123Z info  component: text" (base/logging.h).
LineKind KindOf(std::string_view line) {
  constexpr size_t kTimeLength = 24;
  const bool has_time = line.size() > kTimeLength + 1 && std::isdigit(line[0]) && line[4] == '-' &&
                        line[10] == 'T' && line[kTimeLength - 1] == 'Z' && line[kTimeLength] == ' ';
  if (!has_time) return LineKind::kForeign;
  const std::string_view rest = line.substr(kTimeLength + 1);
  if (rest.starts_with("error")) return LineKind::kError;
  for (std::string_view level : {"trace", "debug", "info", "warning"}) {
    if (rest.starts_with(level)) return LineKind::kFine;
  }
  return LineKind::kForeign;
}

bool IsExplained(std::string_view line, const std::set<std::string>& faults) {
  const auto& table = ExplainedLines();
  return std::any_of(table.begin(), table.end(), [&](const ExplainedLine& entry) {
    if (line.find(entry.text) == std::string_view::npos) return false;
    return entry.of.empty() || std::any_of(entry.of.begin(), entry.of.end(),
                                           [&](const auto& kind) { return faults.contains(kind); });
  });
}

}  // namespace

const std::vector<ExplainedLine>& ExplainedLines() {
  static const std::vector<ExplainedLine> table = {
      {"and nothing in it was deleted; this node starts empty",
       {"disk-old"},
       "a disk older than the metadata must not serve; the node says that it put it aside"},
      {"was damaged and is lost",
       {"disk-corrupt"},
       "the damaged file was the log; the node says what that costs"},
      {"the disk is damaged (",
       {"disk-corrupt"},
       "a damaged block was met; the node replaces its disk by an empty one, now or later"},
      {"the damaged disk was moved to",
       {"disk-corrupt"},
       "the node says where the disk is that it has replaced"},
      {"the disk is damaged, and has to be replaced",
       {"disk-corrupt"},
       "as above, met by the scrub"},
      {"disk failed:",
       {"disk-corrupt"},
       "a damaged block was met while files were rewritten; the node stops serving, as it must"},
      {"kvnode: cannot start:",
       {"disk-corrupt"},
       "the damaged file is one without which the disk cannot be opened"},
      {"could not stop clean", {"disk-corrupt"}, "as above, met while stopping"},
      {"closing the store", {"disk-corrupt"}, "as above, met while stopping"},
  };
  return table;
}

void JudgeLog(const std::string& process, std::string_view log, const std::set<std::string>& faults,
              LogFindings* findings) {
  while (!log.empty()) {
    const size_t end = log.find('\n');
    const std::string_view line = log.substr(0, end);
    log.remove_prefix(end == std::string_view::npos ? log.size() : end + 1);
    if (line.empty() || KindOf(line) == LineKind::kFine) continue;
    if (IsExplained(line, faults)) {
      ++findings->explained;
    } else {
      findings->unexplained.push_back(process + ": " + std::string(line));
    }
  }
}

}  // namespace ringkv
