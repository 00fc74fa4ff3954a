// The kvctl binary against a fake router: every command, exit code and limit.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/limits.h"
#include "client/kvctl/byte_text.h"
#include "tests/client/fake_router_grpc.h"
#include "tests/client/kvctl_process.h"

namespace ringkv {
namespace {

using Json = nlohmann::json;

std::string EveryByte() {
  std::string bytes;
  for (int c = 0; c < 256; ++c) bytes += static_cast<char>(c);
  return bytes;
}

class Kvctl : public testing::Test {
 protected:
  KvctlResult Run(const std::vector<std::string>& arguments, const std::string& input = "") {
    return RunKvctl(router_.address(), arguments, input);
  }
  Json RunJson(std::vector<std::string> arguments, int code = 0) {
    arguments.insert(arguments.begin(), {"-o", "json"});
    const KvctlResult result = Run(arguments);
    EXPECT_EQ(result.code, code) << result.out << result.err;
    EXPECT_EQ(result.err, "");
    const Json document = Json::parse(result.out, nullptr, false);
    EXPECT_FALSE(document.is_discarded()) << result.out;
    return document;
  }
  void ExpectRun(const std::vector<std::string>& arguments, int code, const std::string& out) {
    const KvctlResult result = Run(arguments);
    EXPECT_EQ(result.code, code) << result.err;
    EXPECT_EQ(result.out, out);
    EXPECT_EQ(result.err.empty(), code == 0) << result.err;
  }

  FakeRouter router_;
};

TEST_F(Kvctl, PutGetDelIncr) {
  ExpectRun({"put", "k", "hello"}, 0, "");
  ExpectRun({"get", "k"}, 0, "hello");
  ExpectRun({"del", "k"}, 0, "");
  ExpectRun({"get", "k"}, 1, "");
  ExpectRun({"del", "k"}, 1, "");
  ExpectRun({"incr", "n"}, 0, "1\n");
  ExpectRun({"incr", "n", "-5"}, 0, "-4\n");
  ExpectRun({"put", "t", "text"}, 0, "");
  ExpectRun({"incr", "t"}, 2, "");
}

TEST_F(Kvctl, JsonOfEachCommand) {
  EXPECT_EQ(RunJson({"put", "k", "v"}),
            (Json{{"key", "k"}, {"key_base64", nullptr}, {"version", "1.1"}}));
  EXPECT_EQ(RunJson({"get", "k"}), (Json{{"key", "k"},
                                         {"key_base64", nullptr},
                                         {"value", "v"},
                                         {"value_base64", nullptr},
                                         {"version", "1.1"},
                                         {"expires_at", nullptr}}));
  RunJson({"put", "k", "v", "--ttl", "1s"});
  EXPECT_EQ(RunJson({"get", "k"})["expires_at"], "2027-01-15T08:00:01.000Z");
  EXPECT_EQ(RunJson({"incr", "n", "7"})["value"], "7");
  const Json del = RunJson({"del", "k", "nothing"});
  EXPECT_EQ(del["deleted"], "1");
  EXPECT_EQ(del["keys"][0]["deleted"], true);
  EXPECT_EQ(del["keys"][1]["deleted"], false);
  EXPECT_EQ(RunJson({"get", "k"}, 1)["error"]["code"], "not_found");
  EXPECT_EQ(RunJson({"get", ""}, 2)["error"]["code"], "invalid_argument");
  EXPECT_EQ(RunJson({"nonsense"}, 2)["error"]["code"], "invalid_argument");
}

TEST_F(Kvctl, Conditions) {
  ExpectRun({"put", "k", "1", "--if-absent"}, 0, "");
  ExpectRun({"put", "k", "2", "--if-absent"}, 1, "");
  EXPECT_EQ(RunJson({"put", "k", "2", "--if-version", "1.1"})["version"], "1.2");
  EXPECT_EQ(RunJson({"put", "k", "3", "--if-version", "1.1"}, 1)["error"]["code"],
            "condition_failed");
  ExpectRun({"del", "k", "--if-version", "1.1"}, 1, "");
  ExpectRun({"del", "k", "--if-version", "1.2"}, 0, "");
}

TEST_F(Kvctl, BinaryKeysAndValues) {
  const std::string bytes = EveryByte();
  const std::string base64 = Base64Encode(bytes);
  EXPECT_EQ(Run({"put", "--key-base64", base64, "--file", "-"}, bytes).code, 0);
  EXPECT_EQ(router_.data().at(bytes).value, bytes);
  EXPECT_EQ(Run({"get", "--key-base64", base64}).out, bytes);
  const Json got = RunJson({"get", "--key-base64", base64});
  EXPECT_EQ(got["key"], nullptr);
  EXPECT_EQ(got["key_base64"], base64);
  EXPECT_EQ(got["value"], nullptr);
  EXPECT_EQ(got["value_base64"], base64);
  EXPECT_EQ(Run({"del", "--key-base64", base64}).code, 0);
  EXPECT_TRUE(router_.data().empty());
  // Through the arguments: every byte but NUL.
  EXPECT_EQ(Run({"put", "--", bytes.substr(1), bytes.substr(1)}).code, 0);
  EXPECT_EQ(router_.data().at(bytes.substr(1)).value, bytes.substr(1));
}

TEST_F(Kvctl, EmptyAndLargestValue) {
  EXPECT_EQ(Run({"put", "empty", ""}).code, 0);
  EXPECT_EQ(Run({"put", "empty2", "--file", "-"}, "").code, 0);
  ExpectRun({"get", "empty"}, 0, "");
  const ScratchDirectory scratch;
  std::string value(kMaxValueBytes, '\0');
  for (size_t i = 0; i < value.size(); ++i) value[i] = static_cast<char>(i * 31 >> 3);
  WriteFile(scratch.Path("value"), value);
  EXPECT_EQ(Run({"put", "large", "--file", scratch.Path("value")}).code, 0);
  EXPECT_EQ(Run({"get", "large"}).out, value);
  const KvctlResult refused = Run({"put", "larger", "--file", "-"}, value + "x");
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.err.find("8 MiB"), std::string::npos);
  EXPECT_EQ(router_.data().count("larger"), 0u);
  EXPECT_EQ(Run({"put", "k", "--file", scratch.Path("nothing")}).code, 2);
}

TEST_F(Kvctl, Scan) {
  router_.set_page_entries(2);
  for (const char* key : {"a1", "a2", "a3", "b\n"}) router_.Set(key, std::string("v\t") + key[0]);
  ExpectRun({"scan", "--keys-only"}, 0, "a1\na2\na3\nb\\n\n");
  ExpectRun({"scan", "--prefix", "b"}, 0, "b\\n\tv\\tb\n");
  ExpectRun({"scan", "--keys-only", "--limit", "3"}, 0, "a1\na2\na3\n");
  const Json all = RunJson({"scan"});
  EXPECT_EQ(all["count"], "4");
  EXPECT_EQ(all["entries"].size(), 4u);
  EXPECT_EQ(all["entries"][3]["key"], "b\n");
  EXPECT_EQ(RunJson({"scan", "--prefix", "x"}), (Json{{"entries", Json::array()}, {"count", "0"}}));
}

TEST_F(Kvctl, ExitCodesOfFailures) {
  router_.InjectAlways(Fault::kUnavailable);
  ExpectRun({"--timeout", "200ms", "put", "k", "v"}, 3, "");
  router_.InjectAlways(Fault::kNone);
  router_.Inject(Fault::kUnknown);
  ExpectRun({"put", "k", "v"}, 4, "");
  router_.Inject(Fault::kDropApplied);
  EXPECT_EQ(RunJson({"incr", "n"}, 4)["error"]["code"], "unknown_outcome");
  router_.Inject(Fault::kRefused);
  ExpectRun({"put", "k", "v"}, 5, "");
  router_.Inject(Fault::kSilence);
  ExpectRun({"--timeout", "200ms", "get", "k"}, 3, "");
  ExpectRun({"nonsense"}, 2, "");
  ExpectRun({}, 2, "");
}

TEST_F(Kvctl, NoRouter) {
  router_.Stop();
  const KvctlResult result = Run({"--timeout", "200ms", "put", "k", "v"});
  EXPECT_EQ(result.code, 3);
  EXPECT_NE(result.err.find(router_.address()), std::string::npos) << result.err;
  EXPECT_EQ(Run({"--timeout", "200ms", "admin", "status"}).code, 3);
}

TEST_F(Kvctl, SeveralRouters) {
  FakeRouter dead;
  dead.Stop();
  EXPECT_EQ(Run({"--router", dead.address() + "," + router_.address(), "put", "k", "v"}).code, 0);
  EXPECT_EQ(Run({"--router", dead.address() + "," + router_.address(), "admin", "ring"}).code, 0);
}

TEST_F(Kvctl, AdminStatus) {
  const KvctlResult text = Run({"admin", "status"});
  EXPECT_EQ(text.code, 0) << text.err;
  for (const char* words :
       {"degraded", "node n2 is down", "epoch 7", "4000 fully replicated", "127.0.0.1:7510",
        "25.0%", "3.0 MiB", "96 slots, 5 keys", "no answer for 12 s"}) {
    EXPECT_NE(text.out.find(words), std::string::npos) << words << "\n" << text.out;
  }
  const Json status = RunJson({"admin", "status"});
  EXPECT_EQ(status["epoch"], "7");
  EXPECT_EQ(status["nodes"][0]["reach"], "down");
}

TEST_F(Kvctl, AdminRingAndLocate) {
  const KvctlResult text = Run({"admin", "ring"});
  EXPECT_EQ(text.code, 0);
  EXPECT_NE(text.out.find("rack-1"), std::string::npos) << text.out;
  const Json ring = RunJson({"admin", "ring"});
  EXPECT_EQ(ring["table"].size(), 16u);
  EXPECT_TRUE(ring.contains("spread"));
  EXPECT_EQ(ring["spread"], nullptr) << "was not measured";
  EXPECT_EQ(ring["nodes"][0]["fair_share"], 1.0);
  EXPECT_EQ(ring["table"][3]["replicas"][0]["node"], "n1");
  const Json located = RunJson({"admin", "locate", "key"});
  EXPECT_EQ(located["token"], "18446744073709551615");
  EXPECT_EQ(located["replicas"][0]["serves"], true);
  EXPECT_EQ(Run({"admin", "locate", ""}).code, 2);
}

TEST_F(Kvctl, AdminPlanForPeople) {
  const KvctlResult few = Run({"admin", "plan", "add-node", "n99", "--vnodes", "3"});
  EXPECT_EQ(few.code, 0) << few.err;
  EXPECT_EQ(few.out.find("add-node n99 at 127.0.0.1:7500 with 128 vnodes: 4 slot replicas to copy, "
                         "about 3.0 MiB; the new shares alone need 3, but replicas of a slot have "
                         "to be in different zones\n"),
            0u)
      << few.out;
  for (const char* words :
       {"epoch 7", "nothing is changed", "note: one\\x1bnote", "without those of 5 slots",
        "note: n3 does not tell the sizes of its slots: it did not answer in time",
        "50.0% -> 25.0%", "0.0% -> 25.0%", "50 -> 49", "0 -> 128", "EST."}) {
    EXPECT_NE(few.out.find(words), std::string::npos) << words << "\n" << few.out;
  }
  EXPECT_EQ(few.out.find("more pair"), std::string::npos) << few.out;

  const KvctlResult many = Run({"admin", "plan", "add-node", "n99", "--vnodes", "30"});
  EXPECT_NE(many.out.find("and 10 more pairs"), std::string::npos) << many.out;
  EXPECT_NE(many.out.find("and 11 more nodes"), std::string::npos) << many.out;
  EXPECT_LT(std::count(many.out.begin(), many.out.end(), '\n'), 60);
  // What changes most comes first.
  EXPECT_LT(many.out.find("n7 "), many.out.find("n1 ")) << many.out;
  const KvctlResult all = Run({"admin", "plan", "add-node", "n99", "--vnodes", "30", "--all"});
  EXPECT_EQ(all.out.find("more"), std::string::npos) << all.out;
  EXPECT_NE(all.out.find("n30 "), std::string::npos) << all.out;
}

TEST_F(Kvctl, AdminPlanForPrograms) {
  const Json plan = RunJson({"admin", "plan", "add-node", "n99", "--vnodes", "30"});
  EXPECT_EQ(plan["change"],
            (Json{{"kind", "add-node"}, {"node", "n99"}, {"vnodes", 30}, {"replicas", nullptr}}));
  EXPECT_EQ(plan["epoch"], "7");
  EXPECT_EQ(plan["moves"], "31");
  EXPECT_EQ(plan["least_moves"], "30");
  EXPECT_EQ(plan["detour"], "zones");
  EXPECT_EQ(plan["bytes"], "3145728");
  EXPECT_EQ(plan["bytes_are_estimated"], true);
  EXPECT_EQ(plan["slots_without_estimate"], "5");
  EXPECT_EQ(plan["silent_nodes"][0]["id"], "n3");
  ASSERT_EQ(plan["transfers"].size(), 30u);
  EXPECT_EQ(plan["transfers"][0],
            (Json{{"from", "n1"}, {"to", "n99"}, {"slots", "1"}, {"bytes", "1048576"}}));
  ASSERT_EQ(plan["nodes"].size(), 31u);
  EXPECT_EQ(plan["nodes"][30]["before"]["vnodes"], 0);
  EXPECT_EQ(plan["nodes"][30]["after"]["replicas"], "500");
  const Json copies = RunJson({"admin", "plan", "set-replicas", "2"});
  EXPECT_EQ(copies["change"]["node"], nullptr);
  EXPECT_EQ(copies["change"]["replicas"], 2);
}

TEST_F(Kvctl, AdminPlanThatIsRefused) {
  EXPECT_EQ(Run({"admin", "plan", "remove-node", "n9"}).code, 1);
  EXPECT_EQ(Run({"admin", "plan", "set-vnodes", "n9", "5"}).code, 5);
  EXPECT_EQ(Run({"admin", "plan", "add-node", "n9", "nowhere"}).code, 2);
  EXPECT_EQ(RunJson({"admin", "plan", "remove-node", "n9"}, 1)["error"]["code"], "not_found");
}

v1::CheckReplicasEvent CheckEvent(uint64_t checked, uint64_t equal, uint64_t partly) {
  v1::CheckReplicasEvent event;
  event.mutable_status()->set_outcome(v1::OUTCOME_DONE);
  v1::CheckProgress* progress = event.mutable_progress();
  progress->set_slots_total(4096);
  progress->set_slots_checked(checked);
  progress->set_slots_equal(equal);
  progress->set_slots_partly(partly);
  progress->set_slots_not_equal(checked - equal - partly);
  progress->set_records(1000);
  progress->set_bytes(3 << 20);
  progress->set_keys_looked_at(7);
  event.set_complete(checked == 4096);
  return event;
}

v1::CheckFinding DifferentFinding(const std::string& key) {
  v1::CheckFinding finding;
  finding.set_kind(v1::FINDING_KIND_DIFFERENT);
  finding.set_slot(17);
  finding.set_key(key);
  for (uint64_t i = 1; i <= 4; ++i) {
    v1::CheckedCopy* copy = finding.add_copies();
    copy->set_node("n" + std::to_string(i));
    copy->set_inc(i);
    copy->set_state(i == 4 ? v1::CHECKED_STATE_ABSENT : v1::CHECKED_STATE_HOLDS);
    copy->mutable_version()->set_term(2);
    copy->mutable_version()->set_seq(i == 3 ? 40 : 41);
    copy->set_tombstone(i == 3);
    copy->set_digest(i == 2 ? 8 : 7);
  }
  return finding;
}

TEST_F(Kvctl, AdminCheckOfEqualReplicas) {
  router_.SetCheck({CheckEvent(100, 100, 0), CheckEvent(4096, 4096, 0)});
  const KvctlResult result = Run({"admin", "check"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.err, "") << "no progress where there is no terminal";
  EXPECT_EQ(result.out,
            "all replicas are equal\n"
            "slots     4096: 4096 equal, 0 not equal, 0 not compared with all replicas\n"
            "records   1000, 3.0 MiB at each replica; 7 looked at again by their owner\n");
  const Json check = RunJson({"admin", "check"});
  EXPECT_EQ(check["all_equal"], true);
  EXPECT_EQ(
      check["slots"],
      (Json{
          {"total", "4096"}, {"equal", "4096"}, {"not_equal", "0"}, {"not_fully_compared", "0"}}));
  EXPECT_EQ(check["findings"], Json::array());
  EXPECT_EQ(check["uncompared"], Json::array());
}

TEST_F(Kvctl, AdminCheckNamesWhatDiffersAndWhatWasNotCompared) {
  v1::CheckReplicasEvent first = CheckEvent(100, 99, 0), last = CheckEvent(4096, 4000, 94);
  *first.add_findings() = DifferentFinding("a\x1b");
  v1::CheckFinding* stretch = last.add_findings();
  stretch->set_kind(v1::FINDING_KIND_UNREADABLE);
  stretch->set_slot(9);
  stretch->set_after("b");
  stretch->set_message("block checksum");
  stretch->add_copies()->set_node("n2");
  stretch->mutable_copies(0)->set_state(v1::CHECKED_STATE_UNREADABLE);
  for (uint32_t slot = 0; slot < 94; ++slot) {
    v1::UncomparedReplica* replica = last.add_uncompared();
    replica->set_slot(slot);
    replica->set_node("n3");
    replica->set_why("it cannot be reached");
  }
  last.mutable_progress()->set_findings(2);
  router_.SetCheck({first, last});
  const KvctlResult result = Run({"admin", "check"});
  EXPECT_EQ(result.code, 1) << result.err;
  for (const char* words :
       {"NOT all replicas are equal\n",
        "different: slot 17 key a\\x1b: n1 2.41, n2 2.41 (another record than n1's), n3 2.40 "
        "deleted, n4 nothing\n",
        "unreadable: slot 9 keys above 'b': n2 unreadable: block checksum\n",
        "not compared: n3, 94 slots: it cannot be reached\n"}) {
    EXPECT_NE(result.out.find(words), std::string::npos) << words << "\n" << result.out;
  }
  const Json check = RunJson({"admin", "check"}, 1);
  EXPECT_EQ(check["all_equal"], false);
  EXPECT_EQ(check["findings_total"], "2");
  ASSERT_EQ(check["findings"].size(), 2u);
  EXPECT_EQ(check["findings"][0]["kind"], "different");
  EXPECT_EQ(check["findings"][0]["copies"][1], (Json{{"node", "n2"},
                                                     {"inc", "2"},
                                                     {"state", "holds"},
                                                     {"version", "2.41"},
                                                     {"tombstone", false},
                                                     {"digest", "8"}}));
  EXPECT_EQ(check["findings"][1]["key"], nullptr);
  EXPECT_EQ(check["findings"][1]["after_base64"], "Yg==");
  EXPECT_EQ(check["uncompared"].size(), 94u);
}

TEST_F(Kvctl, AdminCheckPrintsSomeFindingsUnlessAllAreAskedFor) {
  v1::CheckReplicasEvent event = CheckEvent(4096, 4000, 0);
  for (int i = 0; i < 60; ++i) *event.add_findings() = DifferentFinding("k" + std::to_string(i));
  event.mutable_progress()->set_findings(2000);
  router_.SetCheck({event});
  EXPECT_NE(Run({"admin", "check"}).out.find("... and 1960 more; --all prints them"),
            std::string::npos);
  const KvctlResult all = Run({"admin", "check", "--all"});
  EXPECT_NE(all.out.find("key k59:"), std::string::npos) << all.out;
  EXPECT_NE(all.out.find("... and 1940 more\n"), std::string::npos) << all.out;
}

TEST_F(Kvctl, AdminCheckThatDoesNotComeToAnEnd) {
  EXPECT_EQ(Run({"admin", "check", "now"}).code, 2);
  router_.SetCheck({CheckEvent(100, 100, 0)});
  KvctlResult result = Run({"admin", "check"});
  EXPECT_EQ(result.code, 3);
  EXPECT_NE(result.err.find("broke the check off"), std::string::npos) << result.err;
  router_.SetCheck({CheckEvent(100, 100, 0)}, FakeRouter::CheckEnd::kFallsSilent);
  result = Run({"--timeout", "300ms", "admin", "check"});
  EXPECT_EQ(result.code, 3);
  EXPECT_NE(result.err.find("did not end in time"), std::string::npos) << result.err;
  v1::CheckReplicasEvent busy;
  busy.mutable_status()->set_outcome(v1::OUTCOME_NOT_APPLIED);
  busy.mutable_status()->set_code(v1::ERROR_CODE_OVERLOADED);
  busy.mutable_status()->set_message("another check of the replicas is running");
  router_.SetCheck({busy});
  result = Run({"--timeout", "300ms", "admin", "check"});
  EXPECT_EQ(result.code, 3);
  EXPECT_NE(result.err.find("another check"), std::string::npos) << result.err;
  router_.Stop();
  EXPECT_EQ(RunJson({"--timeout", "300ms", "admin", "check"}, 3)["error"]["code"], "unavailable");
}

TEST_F(Kvctl, Bench) {
  for (const char* workload : {"a", "e", "f", "put"}) {
    const Json result = RunJson({"bench", "--workload", workload, "--keys", "50", "--value-size",
                                 "10", "--seconds", "0.2", "--clients", "4"});
    EXPECT_EQ(result["failed"], "0") << result.dump();
    EXPECT_GT(std::stoull(result["operations"].get<std::string>()), 0u);
  }
  const KvctlResult open =
      Run({"bench", "--workload", "c", "--keys", "10", "--seconds", "0.5", "--rate", "100"});
  EXPECT_EQ(open.code, 0) << open.err;
  EXPECT_NE(open.out.find("read"), std::string::npos);
}

TEST_F(Kvctl, AStdoutThatCannotBeWrittenIsAnError) {
  router_.Set("k", "v");
  // The shell is there only to point stdout at a device that is always full.
  const std::string command = std::string(RINGKV_KVCTL_PATH) + " --router " + router_.address() +
                              " get k > /dev/full 2> /dev/null";
  EXPECT_NE(std::system(command.c_str()), 0);
}

}  // namespace
}  // namespace ringkv
