#include "base/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "base/random.h"

namespace ringkv {
namespace {

using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

struct Options {
  std::string name = "n1";
  std::string listen = "127.0.0.1:7500";
  std::string advertise;
  uint32_t vnodes = 128;
  uint16_t small = 7;
  uint64_t cache = 64 << 20;
  Duration flush = milliseconds(100);
  bool verify = true;
  std::string durability = "periodic";
  std::vector<std::string> tags;
  std::vector<std::string> routers;
  std::vector<NodeEntry> nodes;
};

class ConfigTest : public ::testing::Test {
 protected:
  ConfigTest() {
    std::string pattern = ::testing::TempDir() + "config_test_XXXXXX";
    dir_ = ::mkdtemp(pattern.data());
    auto is_id = [](const std::string& text) { return NodeId::Parse(text).status(); };
    schema_.AddString("name", &options_.name, "Who this is.", is_id, "a node id");
    schema_.AddAddress("listen", &options_.listen, PortZero::kAllowed, "Where to listen.");
    schema_.AddAddress("advertise", &options_.advertise, PortZero::kRefused, "Where others call.");
    schema_.AddUint("vnodes", &options_.vnodes, 1, 4096, "Share.");
    schema_.AddUint("small", &options_.small, 0, UINT64_MAX, "A small number.");
    schema_.AddBytes("cache-bytes", &options_.cache, 1 << 20, 1ULL << 40, "Cache.");
    schema_.AddDuration("flush-interval", &options_.flush, milliseconds(1), std::chrono::hours(1),
                        "Flush.");
    schema_.AddBool("verify", &options_.verify, "Whether to verify.");
    schema_.AddOneOf("durability", &options_.durability, {"always", "periodic", "none"}, "Sync.");
    schema_.AddStrings("tags", &options_.tags, "Tags.");
    schema_.AddAddresses("routers", &options_.routers, "Routers.");
    schema_.AddNodes("nodes", &options_.nodes, "First nodes.");
  }
  ~ConfigTest() override { std::filesystem::remove_all(dir_); }

  std::string Write(const std::string& text) {
    std::string path = dir_ + "/x.yaml";
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }

  Result<Config> Load(std::vector<std::string> flags, std::vector<std::string> environment = {}) {
    std::vector<const char*> argv = {"kvtest"};
    for (const std::string& flag : flags) argv.push_back(flag.c_str());
    std::vector<const char*> env;
    for (const std::string& entry : environment) env.push_back(entry.c_str());
    env.push_back(nullptr);
    return LoadConfig(schema_, static_cast<int>(argv.size()), argv.data(), env.data());
  }

  Result<Config> LoadFile(const std::string& text) { return Load({"--config", Write(text)}); }

  std::string ErrorOf(const Result<Config>& result) {
    EXPECT_EQ(result.status().code(), StatusCode::kInvalidArgument);
    return result.status().message();
  }
  std::string FileError(const std::string& text) { return ErrorOf(LoadFile(text)); }
  std::string FlagError(std::vector<std::string> flags) { return ErrorOf(Load(std::move(flags))); }

  std::string dir_;
  Options options_;
  ConfigSchema schema_{"kvtest", "A program to test with."};
};

TEST_F(ConfigTest, DefaultsAreTheFieldsOwnValues) {
  auto config = Load({});
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_FALSE(config->exit.has_value());
  EXPECT_EQ(options_.listen, "127.0.0.1:7500");
  EXPECT_EQ(config->OriginOf("listen"), "default");
  EXPECT_EQ(config->OriginOf("no-such-key"), "");
}

TEST_F(ConfigTest, FlagBeatsEnvironmentBeatsFileBeatsDefault) {
  std::string path = Write("# a comment\nvnodes: 1\ncache-bytes: 2MiB\nsmall: 3\n");
  auto config = Load({"--config", path, "--vnodes", "10"},
                     {"RINGKV_VNODES=20", "RINGKV_CACHE_BYTES=3MiB", "PATH=/bin"});
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(options_.vnodes, 10u);
  EXPECT_EQ(options_.cache, 3u << 20);
  EXPECT_EQ(options_.small, 3u);
  EXPECT_EQ(config->OriginOf("vnodes"), "flag --vnodes");
  EXPECT_EQ(config->OriginOf("cache-bytes"), "env RINGKV_CACHE_BYTES");
  EXPECT_EQ(config->OriginOf("small"), "file " + path + ":4");
  EXPECT_EQ(config->OriginOf("verify"), "default");
}

TEST_F(ConfigTest, TheFileMayComeFromTheEnvironment) {
  std::string path = Write("vnodes: 5");
  ASSERT_TRUE(Load({}, {"RINGKV_CONFIG=" + path}).ok());
  EXPECT_EQ(options_.vnodes, 5u);
}

TEST_F(ConfigTest, EveryTypeIsReadFromAFile) {
  auto config = LoadFile(R"(
name: n7
listen: "[::1]:0"
advertise: node-7:7500
vnodes: 4096
cache-bytes: 1GiB
flush-interval: 5s
verify: no
durability: always
tags: [a, "b, c", '3']
routers:
  - r1:7400
  - r2:7400
nodes:
  - {id: n1, address: "127.0.0.1:7500", zone: a, vnodes: 64}
  - id: n2
    address: 127.0.0.1:7510
)");
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(options_.listen, "[::1]:0");
  EXPECT_EQ(options_.cache, 1u << 30);
  EXPECT_EQ(options_.flush, std::chrono::seconds(5));
  EXPECT_FALSE(options_.verify);
  EXPECT_EQ(options_.durability, "always");
  EXPECT_THAT(options_.tags, ::testing::ElementsAre("a", "b, c", "3"));
  EXPECT_THAT(options_.routers, ::testing::ElementsAre("r1:7400", "r2:7400"));
  ASSERT_EQ(options_.nodes.size(), 2u);
  EXPECT_EQ(options_.nodes[0], (NodeEntry{*NodeId::Parse("n1"), "127.0.0.1:7500", "a", 64}));
  EXPECT_EQ(options_.nodes[1], (NodeEntry{*NodeId::Parse("n2"), "127.0.0.1:7510", "", 128}));
}

TEST_F(ConfigTest, EveryTypeIsReadFromFlags) {
  auto config = Load({"--name=n7", "--listen", "[::1]:0", "--flush-interval", "250ms", "--verify",
                      "false", "--tags", "a, b", "--tags", "c", "--routers=r1:1,r2:2", "--nodes",
                      "n1=h1:1@z1*7,n2=h2:2,n3=[::1]:3*9"});
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(options_.name, "n7");
  EXPECT_EQ(options_.listen, "[::1]:0");
  EXPECT_EQ(options_.flush, milliseconds(250));
  EXPECT_FALSE(options_.verify);
  EXPECT_THAT(options_.tags, ::testing::ElementsAre("a", "b", "c"));
  EXPECT_THAT(options_.routers, ::testing::ElementsAre("r1:1", "r2:2"));
  ASSERT_EQ(options_.nodes.size(), 3u);
  EXPECT_EQ(options_.nodes[0], (NodeEntry{*NodeId::Parse("n1"), "h1:1", "z1", 7}));
  EXPECT_EQ(options_.nodes[1], (NodeEntry{*NodeId::Parse("n2"), "h2:2", "", 128}));
  EXPECT_EQ(options_.nodes[2], (NodeEntry{*NodeId::Parse("n3"), "[::1]:3", "", 9}));
}

TEST_F(ConfigTest, ABooleanFlagMayStandAlone) {
  options_.verify = false;
  ASSERT_TRUE(Load({"--verify", "--vnodes", "3"}).ok());
  EXPECT_TRUE(options_.verify);
  EXPECT_EQ(options_.vnodes, 3u);
  ASSERT_TRUE(Load({"--verify=off"}).ok());
  EXPECT_FALSE(options_.verify);
}

TEST_F(ConfigTest, AnEmptyFileSetsNothing) {
  for (std::string text : {"", "\n\n", "# only a comment\n", "---\n", "{}"}) {
    auto config = LoadFile(text);
    EXPECT_TRUE(config.ok()) << text << ": " << config.status().message();
  }
}

TEST_F(ConfigTest, FileErrorsNameFileLineAndWhatIsAllowed) {
  EXPECT_THAT(FileError("name: n1\n\nvnodes: many\n"),
              AllOf(HasSubstr("x.yaml:3: vnodes: 'many' is not a whole number"),
                    HasSubstr("allowed: a whole number from 1 to 4096")));
  EXPECT_THAT(FileError("vnodes: 0"), HasSubstr("x.yaml:1: vnodes: 0 is out of range"));
  EXPECT_THAT(FileError("vnodes: -1"), HasSubstr("from 1 to 4096"));
  EXPECT_THAT(FileError("small: 65536"), HasSubstr("from 0 to 65535"));
  EXPECT_THAT(FileError("flush-interval: 5"), HasSubstr("its unit is missing"));
  EXPECT_THAT(FileError("flush-interval: 2h"), HasSubstr("from 1ms to 1h"));
  EXPECT_THAT(FileError("cache-bytes: 1"), HasSubstr("bytes from 1MiB to 1TiB"));
  EXPECT_THAT(FileError("verify: maybe"), HasSubstr("allowed: true or false"));
  EXPECT_THAT(
      FileError("\ndurability: periodik"),
      AllOf(HasSubstr("x.yaml:2: durability: 'periodik'"), HasSubstr("did you mean 'periodic'?"),
            HasSubstr("allowed: one of always, periodic, none")));
  EXPECT_THAT(FileError("listen: nowhere"), HasSubstr("it has no port"));
  EXPECT_THAT(FileError("advertise: h:0"), HasSubstr("from 1 to 65535"));
  EXPECT_THAT(FileError("name: N1"), HasSubstr("1 to 63 of [a-z0-9-]"));
  EXPECT_THAT(FileError("name: \"\""), HasSubstr("not a node id"));
}

TEST_F(ConfigTest, UnknownKeysAreErrorsWithTheNearMiss) {
  EXPECT_THAT(FileError("name: n1\nvnode: 3\n"),
              HasSubstr("x.yaml:2: unknown key 'vnode'; did you mean 'vnodes'?"));
  EXPECT_THAT(FileError("zzzzzzzz: 3\n"),
              AllOf(HasSubstr("unknown key 'zzzzzzzz'"), Not(HasSubstr("did you mean"))));
  EXPECT_THAT(FlagError({"--vnode", "3"}),
              HasSubstr("flag --vnode: unknown; did you mean '--vnodes'?"));
  EXPECT_THAT(FlagError({"--vnode=3"}), HasSubstr("flag --vnode: unknown"));
  EXPECT_THAT(FlagError({"stray"}), HasSubstr("'stray' belongs to no flag"));
  EXPECT_THAT(ErrorOf(Load({}, {"RINGKV_VNODE=3"})),
              HasSubstr("env RINGKV_VNODE: unknown; did you mean 'RINGKV_VNODES'?"));
}

TEST_F(ConfigTest, FlagsTakeWhatFollowsAsItIs) {
  ASSERT_TRUE(Load({"--tags", "[a]", "--tags", "-b", "--durability=none"}).ok());
  EXPECT_THAT(options_.tags, ::testing::ElementsAre("[a]", "-b"));
  EXPECT_EQ(options_.durability, "none");
}

TEST_F(ConfigTest, FlagWithoutItsValueIsTheOnlyProblem) {
  std::string needed;
  schema_.AddString("needed", &needed, "Has no default.").Required();
  EXPECT_EQ(FlagError({"--needed"}), "flag --needed: its value is missing; allowed: text");
  EXPECT_EQ(FlagError({"--needed", "--vnodes", "3"}),
            "flag --needed: its value is missing; allowed: text");
  EXPECT_EQ(FlagError({"--needed", "a", "--needed=b"}), "flag --needed: given more than once");
  EXPECT_EQ(FlagError({"--needed", ""}),
            "flag --needed: needed: it must not be empty; allowed: text");
  EXPECT_EQ(FlagError({"--needed=n1", "--config"}),
            "flag --config: its value is missing; it needs a file");
  EXPECT_EQ(FlagError({"--needed=n1", "--check-config=yes"}),
            "flag --check-config: it takes no value");
  EXPECT_EQ(FlagError({"--nonsense", "x", "--needed=n1"}), "flag --nonsense: unknown");
}

TEST_F(ConfigTest, FileThatCannotBeReadIsTheOnlyProblem) {
  std::string needed;
  schema_.AddString("needed", &needed, "Has no default.").Required();
  EXPECT_THAT(FileError("vnodes: 1\n"), HasSubstr("needed: required"));
  EXPECT_THAT(FileError("name: [\n"), Not(HasSubstr("required")));
  EXPECT_THAT(FileError("name: " + std::string(1000, '[')),
              AllOf(HasSubstr("nested too deeply"), Not(HasSubstr("required"))));
  EXPECT_THAT(FileError("needed: x\n? [a]\n: b\n"), HasSubstr("a key has to be a single word"));
}

TEST_F(ConfigTest, WhatDoesNotGoTogetherNamesWhereItCameFrom) {
  schema_.AddCheck([]() -> ConfigConflict {
    return {"vnodes", Status::InvalidArgument("too many for this machine")};
  });
  EXPECT_EQ(FlagError({"--vnodes=3"}), "flag --vnodes: vnodes: too many for this machine");
  EXPECT_THAT(FlagError({"--check-config"}), HasSubstr("too many"));
}

TEST_F(ConfigTest, VariablesOfOthersAreLeftAlone) {
  schema_.IgnoreEnvironment("RINGKV_MINE");
  EXPECT_TRUE(Load({}, {"RINGKV_ROUTER=h:1", "RINGKV_TEST_SEED=1", "RINGKV_MINE=1", "RINGKVX=1",
                        "RINGKV_NOVALUE"})
                  .ok());
}

TEST_F(ConfigTest, AKeyGivenTwiceIsAnError) {
  EXPECT_THAT(FileError("vnodes: 3\nname: n1\nvnodes: 4\n"),
              HasSubstr("x.yaml:3: key 'vnodes' is given twice, first in line 1"));
  EXPECT_THAT(FlagError({"--vnodes", "1", "--vnodes", "2"}),
              HasSubstr("flag --vnodes: given more than once"));
  EXPECT_THAT(FileError("nodes:\n  - id: n1\n    address: h:1\n    id: n2\n"),
              HasSubstr("x.yaml:4: nodes: 'id' of a node is given twice"));
}

TEST_F(ConfigTest, WrongShapesAreErrors) {
  EXPECT_THAT(FileError("vnodes: [1, 2]"), HasSubstr("needs a single value, and this is a list"));
  EXPECT_THAT(FileError("vnodes: {a: 1}"), HasSubstr("this is a map"));
  EXPECT_THAT(FileError("vnodes:"), HasSubstr("this is nothing"));
  EXPECT_THAT(FileError("tags: {a: 1}"), HasSubstr("needs a list, and this is a map"));
  EXPECT_THAT(FileError("tags:\n  - a\n  - [b]\n"), HasSubstr("x.yaml:3: tags: "));
  EXPECT_THAT(FileError("nodes: {id: n1}"), HasSubstr("needs a list of nodes"));
  EXPECT_THAT(FileError("- a\n- b\n"), HasSubstr("x.yaml:1: it needs lines of 'key: value'"));
  EXPECT_THAT(FileError("just words"), HasSubstr("it needs lines of 'key: value'"));
  EXPECT_THAT(FileError("[a]: 3"), HasSubstr("a key has to be a single word"));
  EXPECT_THAT(FileError("vnodes: 3\n---\nvnodes: 4\n"),
              HasSubstr("x.yaml:2: a second YAML document"));
}

TEST_F(ConfigTest, NodeErrorsNameTheLineWithinTheList) {
  EXPECT_THAT(FileError("nodes:\n  - id: n1\n    address: h:1\n  - id: n2\n    addres: h:2\n"),
              AllOf(HasSubstr("x.yaml:5: nodes: 'addres' of a node: unknown"),
                    HasSubstr("did you mean 'address'?")));
  EXPECT_THAT(FileError("nodes:\n  - id: n1\n    address: h:1\n    vnodes: 5000\n"),
              HasSubstr("x.yaml:4: nodes: 'vnodes' of a node: '5000'"));
  EXPECT_THAT(FileError("nodes:\n  - address: h:1\n"),
              HasSubstr("x.yaml:2: nodes: a node has no id"));
  EXPECT_THAT(FileError("nodes:\n  - id: n1\n"), HasSubstr("node 'n1' has no address"));
  EXPECT_THAT(FileError("nodes:\n  - id: n1\n    address:\n"),
              HasSubstr("x.yaml:3: nodes: 'address' of a node"));
  EXPECT_THAT(FileError("nodes:\n- {id: n1, address: h:1}\n- {id: n1, address: h:2}\n"),
              HasSubstr("two nodes have the id 'n1'"));
  EXPECT_THAT(FlagError({"--nodes", "n1=h:1,n2=h:1"}), HasSubstr("have the same address h:1"));
  EXPECT_THAT(FlagError({"--nodes", "n1"}),
              HasSubstr("flag --nodes: nodes: 'n1' is not a node entry"));
  EXPECT_THAT(FlagError({"--nodes", "n1=h:1*0"}), HasSubstr("vnodes is a whole number from 1"));
}

TEST_F(ConfigTest, FilesThatCannotBeReadAreErrors) {
  EXPECT_THAT(FlagError({"--config", dir_ + "/none.yaml"}),
              AllOf(HasSubstr("none.yaml: cannot read"), HasSubstr("No such file")));
  EXPECT_THAT(FlagError({"--config", dir_}), HasSubstr("it is a directory"));
  EXPECT_THAT(FlagError({"--config"}), HasSubstr("--config"));
  EXPECT_THAT(FlagError({"--config="}), HasSubstr("--config"));
  EXPECT_THAT(FileError(std::string("vnodes: 3\0", 10)), HasSubstr("it is not a text file"));
  EXPECT_THAT(FileError(std::string(kMaxConfigFileBytes + 1, '#')), HasSubstr("larger than 1MiB"));
}

TEST_F(ConfigTest, BrokenYamlNamesTheLine) {
  EXPECT_THAT(FileError("vnodes: 3\nname: \"n1\n"), HasSubstr("x.yaml:2: "));
  EXPECT_THAT(FileError("vnodes: 3\n\tname: n1\n"), HasSubstr("x.yaml:2: not valid YAML"));
  EXPECT_THAT(FileError("vnodes: 3\nname: *nothing\n"), HasSubstr("x.yaml:2: not valid YAML"));
  EXPECT_THAT(FileError("\x80\xff\xfe\x01\x02{[}:"), HasSubstr("x.yaml"));
}

TEST_F(ConfigTest, HostileYamlIsRefusedQuickly) {
  EXPECT_THAT(FileError("tags: " + std::string(100'000, '[')), HasSubstr("x.yaml:1"));
  EXPECT_THAT(FileError("tags: [[[[[[[a]]]]]]]"), HasSubstr("nested too deeply"));
  EXPECT_THAT(FileError("tags: &a [*a]"), HasSubstr("x.yaml:1"));
  std::string bomb = "tags: &a [";
  for (int i = 0; i < 2000; ++i) bomb += "x,";
  bomb += "x]\nrouters: [";
  for (int i = 0; i < 2000; ++i) bomb += "*a,";
  EXPECT_THAT(FileError(bomb + "*a]"), HasSubstr("nested too deeply, or too much"));
}

TEST_F(ConfigTest, AStrayDirectiveIsAnErrorAndNotAnEndlessLoop) {
  EXPECT_THAT(FileError("vnodes: 3\n%x\n"), HasSubstr("x.yaml:"));
  EXPECT_THAT(FileError("vnodes: 3\n%x\nsmall: 4\n"), HasSubstr("x.yaml:"));
  EXPECT_TRUE(LoadFile("%YAML 1.2\n---\nvnodes: 3\n...\n").ok());
}

TEST_F(ConfigTest, RandomBytesNeverCrash) {
  Random random(1);
  constexpr std::string_view kYaml = "[]{}:,-&*!|>'\"%@# \n\ta1?";
  for (int round = 0; round < 500; ++round) {
    std::string text = "vnodes: 3\n";
    for (int i = 0; i < 60; ++i) {
      bool binary = round % 2 == 0;
      text += binary ? static_cast<char>(random.Below(256)) : kYaml[random.Below(kYaml.size())];
    }
    (void)LoadFile(text);
  }
}

TEST_F(ConfigTest, FlagAndVariableErrorsNameTheirSource) {
  EXPECT_THAT(FlagError({"--vnodes", "x"}), StartsWith("flag --vnodes: vnodes: 'x' is not"));
  EXPECT_THAT(FlagError({"--vnodes", "-1"}), StartsWith("flag --vnodes: "));
  EXPECT_THAT(FlagError({"--vnodes"}), HasSubstr("--vnodes"));
  EXPECT_THAT(FlagError({"--vnodes="}), HasSubstr("--vnodes"));
  EXPECT_THAT(ErrorOf(Load({}, {"RINGKV_VNODES=x"})), StartsWith("env RINGKV_VNODES: "));
  EXPECT_THAT(ErrorOf(Load({}, {"RINGKV_VNODES="})), StartsWith("env RINGKV_VNODES: "));
}

TEST_F(ConfigTest, AllProblemsAreReportedTogether) {
  std::string path = Write("vnodes: x\ncolour: red\n");
  EXPECT_THAT(ErrorOf(Load({"--config", path, "--small", "y"}, {"RINGKV_VERIFY=z"})),
              AllOf(HasSubstr(":1: vnodes"), HasSubstr(":2: unknown key 'colour'"),
                    HasSubstr("flag --small"), HasSubstr("env RINGKV_VERIFY")));
}

TEST_F(ConfigTest, ABadValueInTheFileIsAnErrorAlsoBehindAFlag) {
  EXPECT_THAT(FlagError({"--config", Write("vnodes: x"), "--vnodes", "3"}),
              HasSubstr(":1: vnodes"));
}

TEST_F(ConfigTest, RequiredOptionsNeedASource) {
  std::string data_dir;
  schema_.AddString("data-dir", &data_dir, "Where data is.").Required();
  EXPECT_THAT(FlagError({}), HasSubstr("data-dir: required: give --data-dir, RINGKV_DATA_DIR or "
                                       "'data-dir:' in the file"));
  EXPECT_THAT(FlagError({"--data-dir", ""}), HasSubstr("--data-dir"));
  ASSERT_TRUE(Load({}, {"RINGKV_DATA_DIR=/var/lib/x"}).ok());
  EXPECT_EQ(data_dir, "/var/lib/x");
}

TEST_F(ConfigTest, CheckConfigPrintsEveryValueWithItsOrigin) {
  std::string path = Write("vnodes: 12\nnodes:\n  - {id: n1, address: h:1, zone: z}\n");
  auto config = Load({"--check-config", "--config", path, "--tags", "a b,c"},
                     {"RINGKV_FLUSH_INTERVAL=1500us"});
  ASSERT_TRUE(config.ok()) << config.status().message();
  ASSERT_TRUE(config->exit.has_value());
  EXPECT_EQ(config->exit->code, 0);
  EXPECT_THAT(config->exit->text,
              AllOf(HasSubstr("vnodes: 12  # file " + path + ":1\n"),
                    HasSubstr("tags: [\"a b\", c]  # flag --tags\n"),
                    HasSubstr("flush-interval: 1500us  # env RINGKV_FLUSH_INTERVAL\n"),
                    HasSubstr("cache-bytes: 64MiB  # default\n"),
                    HasSubstr("nodes:  # file " + path +
                              ":2\n  - {id: n1, address: h:1, zone: z, "
                              "vnodes: 128}\n")));
}

TEST_F(ConfigTest, WhatCheckConfigPrintsIsItselfAConfiguration) {
  auto first = Load({"--name", "n9", "--tags", "a b,\"q\\,null,~,#x,é,- y", "--nodes",
                     "n1=[::1]:1@z*7,n2=h:2", "--cache-bytes", "1048577", "--verify=no"});
  ASSERT_TRUE(first.ok()) << first.status().message();
  Options wanted = options_;
  options_ = Options();
  auto second = LoadFile(first->effective);
  ASSERT_TRUE(second.ok()) << second.status().message() << "\n" << first->effective;
  EXPECT_EQ(options_.name, wanted.name);
  EXPECT_EQ(options_.tags, wanted.tags);
  EXPECT_EQ(options_.nodes, wanted.nodes);
  EXPECT_EQ(options_.cache, wanted.cache);
  EXPECT_EQ(options_.advertise, wanted.advertise);
  EXPECT_EQ(options_.verify, wanted.verify);
}

TEST_F(ConfigTest, CheckConfigOfABadFileIsTheError) {
  EXPECT_THAT(FlagError({"--check-config", "--config", Write("vnodes: x")}),
              HasSubstr(":1: vnodes"));
}

TEST_F(ConfigTest, HelpAndVersionAnswerEvenIfTheRestIsBad) {
  for (std::string flag : {"--help", "-h"}) {
    auto help = Load({flag}, {"RINGKV_BAD=1"});
    ASSERT_TRUE(help.ok());
    ASSERT_TRUE(help->exit.has_value());
    EXPECT_THAT(help->exit->text,
                AllOf(HasSubstr("--flush-interval"), HasSubstr("default 100ms"),
                      HasSubstr("RINGKV_FLUSH_INTERVAL"), HasSubstr("--check-config")));
  }
  auto version = Load({"--version"});
  ASSERT_TRUE(version.ok());
  EXPECT_EQ(version->exit->text, "kvtest " + std::string(VersionText()) + "\n");
  EXPECT_EQ(version->exit->code, 0);
}

TEST_F(ConfigTest, ADefectInTheSchemaEndsTheProgram) {
  std::string field;
  EXPECT_DEATH(schema_.AddString("Not_Kebab", &field, ""), "kebab-case");
  EXPECT_DEATH(schema_.AddString("vnodes", &field, ""), "added twice");
  EXPECT_DEATH(schema_.AddString("help", &field, ""), "built in");
}

}  // namespace
}  // namespace ringkv
