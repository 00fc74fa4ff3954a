#include "client/kvctl/command_line.h"

#include <gtest/gtest.h>

#include "base/limits.h"

namespace ringkv {
namespace {

Result<Invocation> Parse(std::vector<std::string> words, std::vector<std::string> variables = {}) {
  words.insert(words.begin(), "kvctl");
  std::vector<const char*> argv, environment;
  for (const std::string& word : words) argv.push_back(word.c_str());
  for (const std::string& variable : variables) environment.push_back(variable.c_str());
  environment.push_back(nullptr);
  return ParseCommandLine(static_cast<int>(argv.size()), argv.data(), environment.data());
}

template <class Args>
Args Get(const std::vector<std::string>& words) {
  const Result<Invocation> line = Parse(words);
  EXPECT_TRUE(line.ok()) << line.status().ToString();
  if (!line.ok() || !line->command) return {};
  EXPECT_TRUE(std::holds_alternative<Args>(*line->command));
  return std::get<Args>(*line->command);
}

std::string Error(const std::vector<std::string>& words) {
  const Result<Invocation> line = Parse(words);
  return line.ok() ? "" : line.status().message();
}

TEST(CommandLine, KeysAndValuesAreTakenByteForByte) {
  for (const std::string word :
       {"put", "admin", "[a,b]", "[]", "{}", "++", "%%", "a b", "\x01", "\x01x", "-5", "-", "/x",
        "=", "a=b", "\xff\xfe", "'", "\"q\"", "~"}) {
    EXPECT_EQ(Get<GetArgs>({"get", word}).key, word);
    const PutArgs put = Get<PutArgs>({"put", word, word});
    EXPECT_EQ(put.key, word);
    EXPECT_EQ(put.value, word);
    EXPECT_EQ(Get<DelArgs>({"del", word, "x", word}).keys,
              (std::vector<std::string>{word, "x", word}));
    EXPECT_EQ(Get<ScanArgs>({"scan", "--prefix", word}).prefix, word);
  }
  EXPECT_EQ(Get<PutArgs>({"put", "k", ""}).value, "");
  EXPECT_EQ(Get<GetArgs>({"get", "--", "--help"}).key, "--help");
  EXPECT_EQ(Get<PutArgs>({"put", "--", "-k", "-v"}).value, "-v");
  EXPECT_EQ(Get<DelArgs>({"del", "--", "-a", "--b"}).keys, (std::vector<std::string>{"-a", "--b"}));
}

TEST(CommandLine, KeysInBase64) {
  EXPECT_EQ(Get<GetArgs>({"get", "--key-base64", "AGE="}).key, std::string("\0a", 2));
  EXPECT_EQ(Get<GetArgs>({"get", "--key-base64=AGE="}).key, std::string("\0a", 2));
  EXPECT_EQ(Get<PutArgs>({"put", "--key-base64", "AGE=", "v"}).value, "v");
  EXPECT_EQ(Get<PutArgs>({"put", "v", "--key-base64", "AGE="}).key, std::string("\0a", 2));
  EXPECT_EQ(Get<DelArgs>({"del", "x", "--key-base64", "YQ==", "Yg=="}).keys,
            (std::vector<std::string>{"x", "a", "b"}));
  EXPECT_NE(Error({"get", "--key-base64", "!"}).find("base64"), std::string::npos);
}

TEST(CommandLine, NegativeDelta) {
  EXPECT_EQ(Get<IncrArgs>({"incr", "k", "-5"}).delta, -5);
  EXPECT_EQ(Get<IncrArgs>({"incr", "k"}).delta, 1);
  EXPECT_EQ(Get<IncrArgs>({"incr", "k", "-9223372036854775808"}).delta, INT64_MIN);
  EXPECT_NE(Error({"incr", "k", "9223372036854775808"}).find("64 bits"), std::string::npos);
  EXPECT_NE(Error({"incr", "k", "1.5"}), "");
}

TEST(CommandLine, GlobalOptionsBeforeAndAfterTheCommand) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"--router", "h:1,i:2", "--timeout", "250ms", "-o", "json", "get",
                                 "k"},
        {"get", "k", "--router=h:1,i:2", "--timeout=250ms", "-ojson"}}) {
    const Result<Invocation> line = Parse(words);
    ASSERT_TRUE(line.ok()) << line.status().ToString();
    EXPECT_EQ(line->globals.routers, (std::vector<std::string>{"h:1", "i:2"}));
    EXPECT_EQ(line->globals.timeout, std::chrono::milliseconds(250));
    EXPECT_TRUE(line->globals.timeout_given);
    EXPECT_EQ(line->globals.format, OutputFormat::kJson);
  }
}

TEST(CommandLine, RouterFromTheEnvironmentAndDefaults) {
  Result<Invocation> line = Parse({"get", "k"}, {"RINGKV_ROUTER=h:9", "RINGKV_DATA_DIR=/x"});
  ASSERT_TRUE(line.ok()) << line.status().ToString();
  EXPECT_EQ(line->globals.routers, std::vector<std::string>{"h:9"});
  line = Parse({"--router", "i:8", "get", "k"}, {"RINGKV_ROUTER=h:9"});
  EXPECT_EQ(line->globals.routers, std::vector<std::string>{"i:8"});
  line = Parse({"get", "k"});
  EXPECT_EQ(line->globals.routers, std::vector<std::string>{"127.0.0.1:7400"});
  EXPECT_FALSE(line->globals.timeout_given);
}

TEST(CommandLine, Checks) {
  EXPECT_FALSE(Get<CheckArgs>({"admin", "check"}).all);
  EXPECT_TRUE(Get<CheckArgs>({"admin", "check", "--all"}).all);
  EXPECT_NE(Error({"admin", "check", "x"}).find("unexpected argument 'x'"), std::string::npos);
}

TEST(CommandLine, PlansOfAChange) {
  PlanArgs add = Get<PlanArgs>({"admin", "plan", "add-node", "n4"});
  EXPECT_EQ(add.request.add_node().node(), "n4");
  EXPECT_EQ(add.request.add_node().address(), "");
  EXPECT_EQ(add.request.add_node().vnodes(), 0u);
  EXPECT_FALSE(add.request.add_node().has_zone());
  EXPECT_FALSE(add.all);
  add = Get<PlanArgs>(
      {"admin", "plan", "add-node", "n4", "h:1", "--vnodes", "64", "--zone", "", "--all"});
  EXPECT_EQ(add.request.add_node().address(), "h:1");
  EXPECT_EQ(add.request.add_node().vnodes(), 64u);
  EXPECT_TRUE(add.request.add_node().has_zone());
  EXPECT_TRUE(add.all);
  EXPECT_EQ(Get<PlanArgs>({"admin", "plan", "remove-node", "n4"}).request.remove_node().node(),
            "n4");
  const PlanArgs weigh = Get<PlanArgs>({"admin", "plan", "set-vnodes", "n4", "7"});
  EXPECT_EQ(weigh.request.set_vnodes().node(), "n4");
  EXPECT_EQ(weigh.request.set_vnodes().vnodes(), 7u);
  EXPECT_EQ(Get<PlanArgs>({"admin", "plan", "set-replicas", "2"}).request.set_replicas().replicas(),
            2u);
}

TEST(CommandLine, EachLimitHasItsOwnError) {
  const auto says = [](const std::vector<std::string>& words, const char* what) {
    const std::string error = Error(words);
    EXPECT_NE(error.find(what), std::string::npos) << "'" << error << "'";
  };
  const std::string long_key(kMaxKeyBytes + 1, 'k');
  says({"get", ""}, "the key is empty");
  says({"get", long_key}, "4097 bytes");
  says({"del", "a", long_key}, "4097 bytes");
  says({"put", "k", "v", "--ttl", "999ms"}, "TTL");
  says({"put", "k", "v", "--ttl", "3651d"}, "TTL");
  says({"put", "k", "v", "--ttl", "x"}, "--ttl");
  says({"put", "k", "v", "--if-version", "x"}, "--if-version");
  says({"put", "k", "v", "--if-absent", "--if-version", "1.2"}, "not both");
  says({"put", "k", "v", "--file", "f"}, "not both");
  says({"put", "k"}, "VALUE is missing");
  says({"put", "k", "v", "w"}, "unexpected argument 'w'");
  says({"get"}, "KEY is missing");
  says({"get", "a", "b"}, "unexpected");
  says({"del"}, "KEY is missing");
  says({"del", "a", "b", "--if-version", "1.1"}, "one KEY");
  says({"scan", "--limit", "0"}, "--limit");
  says({"scan", "--limit", "-1"}, "--limit");
  says({"scan", "--prefix", long_key}, "--prefix");
  says({"import"}, "FILE is missing");
  says({"bench", "--workload", "z"}, "none of");
  says({"bench", "--clients", "0"}, "--clients");
  says({"--router", "nonsense", "get", "k"}, "nonsense");
  says({"--timeout", "0s", "get", "k"}, "timeout");
  says({"-o", "xml", "get", "k"}, "json");
  says({"get", "k", "--nonsense"}, "--nonsense");
  says({"nonsense"}, "unknown command 'nonsense'");
  says({"admin", "plan"}, "a plan of which change");
  says({"admin", "plan", "nonsense"}, "unknown command 'nonsense'");
  says({"admin", "plan", "add-node"}, "ID is missing");
  says({"admin", "plan", "add-node", "N4"}, "N4");
  says({"admin", "plan", "add-node", "n4", "nowhere"}, "HOST:PORT");
  says({"admin", "plan", "add-node", "n4", "h:1", "x"}, "unexpected argument 'x'");
  says({"admin", "plan", "add-node", "n4", "--vnodes", "4097"}, "a whole number from 1 to 4096");
  says({"admin", "plan", "add-node", "n4", "--vnodes", "0"}, "a whole number from 1 to 4096");
  says({"admin", "plan", "add-node", "n4", "--zone", "a b"}, "--zone");
  says({"admin", "plan", "remove-node"}, "ID is missing");
  says({"admin", "plan", "set-vnodes", "n4"}, "N is missing");
  says({"admin", "plan", "set-vnodes", "n4", "many"}, "not a whole number");
  says({"admin", "plan", "set-replicas", "8"}, "a whole number from 1 to 7");
  says({"admin"}, "which admin command");
  says({}, "which command");
}

TEST(CommandLine, OptionsWithoutAValueTwiceOrWithOneTooMany) {
  const auto says = [](const std::vector<std::string>& words, const char* what) {
    const std::string error = Error(words);
    EXPECT_NE(error.find(what), std::string::npos) << "'" << error << "'";
  };
  says({"put", "k", "v", "--ttl"}, "--ttl: its value is missing: DURATION");
  says({"--router", "", "get", "k"}, "no address is given");
  says({"--timeout", "", "get", "k"}, "'' is not a duration");
  says({"put", "k", "v", "--ttl", "1s", "--ttl", "2s"}, "more than once");
  for (const char* flag : {"--if-absent=perhaps", "--if-absent=false"}) {
    says({"put", "k", "v", flag}, "--if-absent: it takes no value");
  }
  says({"get", "k", "--key-base64", "aw=="}, "not both");
  says({"put", "k", "v", "--key-base64", "aw=="}, "not both");
}

TEST(CommandLine, MistypedVariablesAreErrorsAndThoseOfServersAreNot) {
  const auto error = [](const std::string& variable) {
    const Result<Invocation> line = Parse({"get", "k"}, {variable});
    return line.ok() ? "" : line.status().message();
  };
  EXPECT_NE(error("RINGKV_TIMOUT=5s").find("did you mean 'RINGKV_TIMEOUT'"), std::string::npos);
  EXPECT_NE(error("RINGKV_ROUTR=h:1"), "");
  for (const char* servers : {"RINGKV_ROUTERS=h:1", "RINGKV_STOP_TIMEOUT=5s", "RINGKV_SLOTS=16",
                              "RINGKV_DEFAULT_TIMEOUT=5s", "RINGKV_ID=n1", "RINGKV_LOOPS=1"}) {
    EXPECT_EQ(error(servers), "") << servers;
  }
}

TEST(CommandLine, HelpAndVersion) {
  Result<Invocation> line = Parse({"--help"});
  ASSERT_TRUE(line.ok());
  for (const char* command :
       {"put", "get", "del", "incr", "scan", "import", "export", "bench", "admin"}) {
    EXPECT_NE(line->text.find(command), std::string::npos);
  }
  line = Parse({"put", "--help"});
  ASSERT_TRUE(line.ok());
  EXPECT_NE(line->text.find("--if-absent"), std::string::npos);
  line = Parse({"--version"});
  ASSERT_TRUE(line.ok());
  EXPECT_EQ(line->text.find("kvctl "), 0u);
  line = Parse({"--check-config", "--timeout", "7s"});
  ASSERT_TRUE(line.ok()) << line.status().ToString();
  EXPECT_NE(line->text.find("7s"), std::string::npos);
}

}  // namespace
}  // namespace ringkv
