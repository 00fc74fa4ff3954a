#include "tests/chaos/log_judge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringkv {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

LogFindings Judge(const std::string& log, const std::set<std::string>& faults = {"kill"}) {
  LogFindings findings;
  JudgeLog("n1", log, faults, &findings);
  return findings;
}

const std::string kTime = "2024-05-01T12:00:00.123Z ";

TEST(LogJudge, InformationAndWarningsAreFine) {
  EXPECT_THAT(Judge(kTime + "info  node: n1 listens\n" + kTime + "warning link: node n2 is gone\n" +
                    kTime + "debug x: y\n")
                  .unexplained,
              IsEmpty());
}

TEST(LogJudge, ErrorThatTheTableDoesNotKnowIsAFinding) {
  EXPECT_THAT(Judge(kTime + "error node: something new\n").unexplained,
              ElementsAre("n1: " + kTime + "error node: something new"));
}

TEST(LogJudge, LineThatIsNotOfTheLogIsAFinding) {
  for (const char* line :
       {"router/shard.cc:12: invariant broken: x > 0 (there is one)", "Segmentation fault",
        "==123==ERROR: AddressSanitizer: heap-use-after-free", "terminate called",
        "E0501 12:00:00.123 chttp2_transport.cc:1] broken"}) {
    EXPECT_THAT(Judge(kTime + "info  node: up\n" + line + "\n").unexplained,
                ElementsAre("n1: " + std::string(line)));
  }
}

TEST(LogJudge, LastLineWithoutAnEndCounts) { EXPECT_THAT(Judge("Aborted").unexplained, SizeIs(1)); }

TEST(LogJudge, EntryExplainsOnlyRunsWithItsFaults) {
  const std::string line = kTime +
                           "error start: behind the metadata; it was moved to /x and nothing in it "
                           "was deleted; this node starts empty\n";
  EXPECT_THAT(Judge(line, {"kill"}).unexplained, SizeIs(1));
  const LogFindings with = Judge(line, {"kill", "disk-old"});
  EXPECT_THAT(with.unexplained, IsEmpty());
  EXPECT_EQ(with.explained, 1u);
}

TEST(LogJudge, EveryEntryHasAReason) {
  for (const ExplainedLine& entry : ExplainedLines()) {
    EXPECT_FALSE(entry.text.empty());
    EXPECT_GT(entry.reason.size(), 20u) << entry.text;
  }
}

}  // namespace
}  // namespace ringkv
