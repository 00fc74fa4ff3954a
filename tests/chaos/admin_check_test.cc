#include "tests/chaos/admin_check.h"

#include <gtest/gtest.h>

namespace ringkv {
namespace {

std::string Document(bool equal, const std::string& findings, const std::string& uncompared) {
  return std::string("{\"all_equal\":") + (equal ? "true" : "false") +
         ",\"slots\":{\"total\":\"16\"},\"records\":\"9\",\"keys_looked_at\":\"2\",\"findings\":[" +
         findings + "],\"uncompared\":[" + uncompared + "]}\n";
}

TEST(AdminCheck, AllEqualTakesBothTheCodeAndTheWord) {
  EXPECT_TRUE(JudgeAdminCheck({0, Document(true, "", ""), ""}).all_equal);
  EXPECT_FALSE(JudgeAdminCheck({1, Document(true, "", ""), ""}).all_equal);
  EXPECT_FALSE(JudgeAdminCheck({0, Document(false, "", ""), ""}).all_equal);
}

TEST(AdminCheck, TellsWhatWaitingMayMendFromWhatIsNeverRight) {
  const ReplicaVerdict behind = JudgeAdminCheck(
      {1, Document(false, "{\"kind\":\"behind\"}", "{\"node\":\"n2\",\"why\":\"gone\"}"), ""});
  EXPECT_TRUE(behind.answered);
  EXPECT_FALSE(behind.all_equal);
  EXPECT_FALSE(behind.different);
  EXPECT_NE(behind.text.find("not compared: n2: gone"), std::string::npos) << behind.text;
  const ReplicaVerdict different = JudgeAdminCheck(
      {1, Document(false, "{\"kind\":\"unreadable\"},{\"kind\":\"different\",\"key\":\"k7\"}", ""),
       ""});
  EXPECT_TRUE(different.different);
  EXPECT_NE(different.text.find("k7"), std::string::npos) << different.text;
}

TEST(AdminCheck, AnErrorIsNoAnswer) {
  for (const KvctlResult& result :
       {KvctlResult{3, "{\"error\":{\"code\":\"unavailable\",\"message\":\"gone\"}}\n", ""},
        KvctlResult{139, "", ""}, KvctlResult{2, Document(true, "", ""), ""}}) {
    const ReplicaVerdict verdict = JudgeAdminCheck(result);
    EXPECT_FALSE(verdict.answered);
    EXPECT_FALSE(verdict.all_equal);
    EXPECT_FALSE(verdict.text.empty());
  }
}

}  // namespace
}  // namespace ringkv
