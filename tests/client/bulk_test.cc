// kvctl import and export against a fake router.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <thread>

#include "base/clock.h"
#include "base/limits.h"
#include "base/random.h"
#include "client/kvctl/record_lines.h"
#include "tests/client/fake_router_grpc.h"
#include "tests/client/kvctl_process.h"

namespace ringkv {
namespace {

using Json = nlohmann::json;

std::vector<std::string> SortedLines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  std::sort(lines.begin(), lines.end());
  return lines;
}

class Bulk : public testing::Test {
 protected:
  KvctlResult Run(const std::vector<std::string>& arguments, const std::string& input = "") {
    return RunKvctl(router_.address(), arguments, input);
  }
  Json Import(const std::string& input, int code, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {"-o", "json", "import", "-"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const KvctlResult result = Run(arguments, input);
    EXPECT_EQ(result.code, code) << result.out << result.err;
    return Json::parse(result.out, nullptr, false);
  }

  FakeRouter router_;
  ScratchDirectory scratch_;
};

std::string ManyRecords(int count) {
  Random random(11);
  const uint64_t tomorrow = RealClock().WallMillis() + 24 * 3600 * 1000;
  std::string lines;
  for (int i = 0; i < count; ++i) {
    std::string key = "key " + std::to_string(i);
    if (i % 3 == 0) key += '\xff';
    std::string value(random.Below(300), '\0');
    for (char& c : value) c = static_cast<char>(random.Below(i % 2 == 0 ? 256 : 128));
    lines += FormatRecordLine(key, value, i % 5 == 0 ? tomorrow : 0);
    lines += '\n';
  }
  return lines;
}

TEST_F(Bulk, ExportIsTheSortedImportByteForByte) {
  const std::string lines = ManyRecords(5'000);
  const Json summary = Import(lines, 0);
  EXPECT_EQ(summary["imported"], "5000");
  EXPECT_EQ(summary["complete_through_line"], "5000");
  const std::string file = scratch_.Path("out.jsonl");
  const KvctlResult exported = Run({"export", file});
  EXPECT_EQ(exported.code, 0) << exported.err;
  EXPECT_FALSE(std::filesystem::exists(file + ".tmp"));
  const std::vector<std::string> expected = SortedLines(lines);
  EXPECT_EQ(SortedLines(ReadFile(file)), expected);
  EXPECT_EQ(SortedLines(Run({"export", "-"}).out), expected);
}

TEST_F(Bulk, EveryByteAndTheLargestValue) {
  std::string bytes;
  for (int c = 0; c < 256; ++c) bytes += static_cast<char>(c);
  const std::string escaped(kMaxValueBytes, '\x01');  // six bytes each in JSON
  const std::string binary(kMaxValueBytes, '\xff');
  const std::string lines =
      FormatRecordLine(bytes, bytes, 0) + "\n" + FormatRecordLine("escaped", escaped, 0) + "\n" +
      FormatRecordLine("binary", binary, 0) + "\n" + FormatRecordLine("empty", "", 0);
  Import(lines, 0);
  EXPECT_EQ(router_.data().at(bytes).value, bytes);
  EXPECT_EQ(router_.data().at("escaped").value, escaped);
  EXPECT_EQ(router_.data().at("binary").value, binary);
  EXPECT_EQ(router_.data().at("empty").value, "");
  EXPECT_EQ(SortedLines(Run({"export", "-"}).out), SortedLines(lines + "\n"));
}

TEST_F(Bulk, BadLinesAreReportedAndTheRestIsImported) {
  std::string lines =
      "{\"key\":\"a\",\"value\":\"1\"}\r\n\nnonsense\n{\"key\":\"\",\"value\":\"\"}\n";
  lines += "{\"key\":\"big\",\"value\":\"" + std::string(kMaxRecordLineBytes, 'x') + "\"}\n";
  lines += "{\"key\":\"b\",\"value\":\"2\"}";
  const Json summary = Import(lines, 2);
  EXPECT_EQ(summary["imported"], "2");
  EXPECT_EQ(summary["bad"], "3");
  EXPECT_EQ(summary["complete_through_line"], "6");
  EXPECT_EQ(summary["errors"][0]["line"], "3");
  EXPECT_EQ(summary["errors"][1]["line"], "4");
  EXPECT_EQ(summary["errors"][2]["line"], "5");
  EXPECT_EQ(summary["error"]["code"], "invalid_argument");
  EXPECT_EQ(router_.data().size(), 2u);

  std::string many;
  for (int i = 0; i < 30; ++i) many += "x\n";
  const KvctlResult text = Run({"import", "-"}, many);
  EXPECT_EQ(text.code, 2);
  EXPECT_NE(text.err.find("kvctl: line 20: "), std::string::npos);
  EXPECT_EQ(text.err.find("kvctl: line 21: "), std::string::npos);
  EXPECT_NE(text.err.find("and 10 more lines"), std::string::npos);
  EXPECT_EQ(Run({"import", scratch_.Path("nothing")}).code, 2);
}

TEST_F(Bulk, TheLastLineForAKeyWins) {
  std::string lines;
  for (int i = 0; i < 2'000; ++i) {
    lines += FormatRecordLine("k" + std::to_string(i % 3), std::to_string(i), 0) + "\n";
  }
  Import(lines, 0);
  EXPECT_EQ(router_.data().at("k0").value, "1998");
  EXPECT_EQ(router_.data().at("k1").value, "1999");
  EXPECT_EQ(router_.data().at("k2").value, "1997");
}

TEST_F(Bulk, ExpiredRecordsAreNotStored) {
  const Json summary = Import(FormatRecordLine("k", "v", 1), 0);
  EXPECT_EQ(summary["expired"], "1");
  EXPECT_TRUE(router_.data().empty());
}

TEST_F(Bulk, FailuresInTheMiddleDoNotFailTheImport) {
  std::string lines;
  for (int i = 0; i < 3'000; ++i) lines += FormatRecordLine("k" + std::to_string(i), "v", 0) + "\n";
  for (Fault fault : {Fault::kNone, Fault::kUnavailable, Fault::kUnknownApplied, Fault::kOverloaded,
                      Fault::kDropApplied, Fault::kNone, Fault::kUnknown, Fault::kDrop}) {
    router_.Inject(fault, fault == Fault::kNone ? 500 : 3);
  }
  const Json summary = Import(lines, 0);
  EXPECT_EQ(summary["imported"], "3000");
  EXPECT_EQ(router_.data().size(), 3'000u);
}

TEST_F(Bulk, ARouterThatRestartsDoesNotFailTheImport) {
  std::string lines;
  for (int i = 0; i < 30'000; ++i)
    lines += FormatRecordLine("k" + std::to_string(i), "v", 0) + "\n";
  std::thread restart([this] {
    EXPECT_TRUE(router_.WaitForCalls(5'000));
    router_.Stop();
    router_.Start();
  });
  const Json summary = Import(lines, 0, {"--timeout", "20s"});
  restart.join();
  EXPECT_EQ(summary["imported"], "30000");
  EXPECT_EQ(router_.data().size(), 30'000u);
}

TEST_F(Bulk, AnImportThatStopsCanBeResumed) {
  std::string lines;
  for (int i = 1; i <= 3'000; ++i)
    lines += FormatRecordLine("k" + std::to_string(i), "v", 0) + "\n";
  router_.Inject(Fault::kNone, 1'500);
  router_.InjectAlways(Fault::kUnavailable);
  const KvctlResult stop = Run({"-o", "json", "--timeout", "500ms", "import", "-"}, lines);
  // On a busy machine an answer may miss the deadline; then some line is unknown, not undone.
  EXPECT_TRUE(stop.code == 3 || stop.code == 4) << stop.out;
  const Json stopped = Json::parse(stop.out, nullptr, false);
  const uint64_t through = std::stoull(stopped["complete_through_line"].get<std::string>());
  EXPECT_LT(through, 3'000u);
  router_.InjectAlways(Fault::kNone);
  const Json resumed = Import(lines, 0, {"--resume-from", std::to_string(through + 1)});
  EXPECT_EQ(resumed["complete_through_line"], "3000");
  EXPECT_EQ(resumed["imported"], std::to_string(3'000 - through));
  EXPECT_EQ(router_.data().size(), 3'000u);
}

TEST_F(Bulk, ExportGoesOnAfterFailuresAndNeverLeavesHalfAFile) {
  router_.set_page_entries(10);
  for (int i = 0; i < 300; ++i) router_.Set("k" + std::to_string(i), "v");
  router_.Inject(Fault::kNone, 5);
  router_.Inject(Fault::kDrop, 2);
  router_.Inject(Fault::kUnavailable, 3);
  const std::string file = scratch_.Path("out.jsonl");
  EXPECT_EQ(Run({"export", file}).code, 0);
  const auto lines = SortedLines(ReadFile(file));
  EXPECT_EQ(lines.size(), 300u);
  EXPECT_EQ(std::set<std::string>(lines.begin(), lines.end()).size(), 300u);

  const std::string second = scratch_.Path("second.jsonl");
  router_.Inject(Fault::kNone, 5);
  router_.InjectAlways(Fault::kUnavailable);
  EXPECT_EQ(Run({"--timeout", "300ms", "export", second}).code, 3);
  EXPECT_FALSE(std::filesystem::exists(second));
  EXPECT_FALSE(std::filesystem::exists(second + ".tmp"));
}

TEST_F(Bulk, TheDebianExampleEncodesAsExportDoes) {
  const std::string end = "\nVersion: 1\nArchitecture: all\n";
  const std::string odd =
      std::string("Odd: \x01\x1f\x7f \xc3\xa9 \xf0\x9f\x98\x80 \"\\\\ \t\b\f\r /\n");
  const std::vector<std::string> stanzas = {
      "Package: a" + end + odd, "Package: b" + end + "Bad: \xff\xfe\n",
      "Package: c" + end + "Bad: \xed\xa0\x80\n", "Package: d" + end + "Bad: \xc0\xaf x\n"};
  std::string input = "Package: a" + end + "Old: yes\n\n";
  std::vector<std::string> expected;
  for (const std::string& stanza : stanzas) {
    input += stanza + "\n";
    expected.push_back(FormatRecordLine(stanza.substr(9, 1) + "/1/all", stanza, 0));
  }
  WriteFile(scratch_.Path("in"), input);
  const std::string command = std::string("sh ") + RINGKV_EXAMPLES + "/debian-packages.sh " +
                              scratch_.Path("in") + " > " + scratch_.Path("out") + " 2> " +
                              scratch_.Path("err");
  ASSERT_EQ(std::system(command.c_str()), 0) << ReadFile(scratch_.Path("err"));
  EXPECT_EQ(SortedLines(ReadFile(scratch_.Path("out"))), SortedLines([&] {
              std::string all;
              for (const std::string& line : expected) all += line + "\n";
              return all;
            }()));
  EXPECT_NE(ReadFile(scratch_.Path("err")).find("1 "), std::string::npos);
}

}  // namespace
}  // namespace ringkv
