#include "tests/chaos/admin_check.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "client/kvctl/exit_code.h"

namespace ringkv {

ReplicaVerdict JudgeAdminCheck(const KvctlResult& result) {
  ReplicaVerdict verdict;
  verdict.text = "exit code " + std::to_string(result.code);
  const auto document = nlohmann::json::parse(result.out, nullptr, /*allow_exceptions=*/false);
  verdict.answered = document.is_object() && document.contains("all_equal") &&
                     (result.code == kExitDone || result.code == kExitNo);
  if (!verdict.answered) {
    verdict.text += ": " + result.out.substr(0, 1'000) + result.err.substr(0, 1'000);
    return verdict;
  }
  verdict.all_equal = result.code == kExitDone && document["all_equal"] == true;
  for (const auto& finding : document["findings"]) {
    verdict.different = verdict.different || finding["kind"] == "different";
  }
  verdict.text += ", slots " + document["slots"].dump() + ", " +
                  document["records"].get<std::string>() + " records, " +
                  document["keys_looked_at"].get<std::string>() + " keys looked at again";
  if (!document["findings"].empty()) {
    verdict.text += ", findings " + document["findings"].dump().substr(0, 2'000);
  }
  std::set<std::string> reasons;
  for (const auto& replica : document["uncompared"]) {
    reasons.insert(replica["node"].get<std::string>() + ": " + replica["why"].get<std::string>());
  }
  for (const std::string& reason : reasons) verdict.text += ", not compared: " + reason;
  return verdict;
}

}  // namespace ringkv
