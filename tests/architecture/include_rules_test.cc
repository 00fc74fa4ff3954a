#include "tests/architecture/include_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace ringkv {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

std::string TextOf(const std::string& path, const std::string& content) {
  std::string text;
  for (const Violation& violation : CheckIncludes(path, content)) {
    text += std::to_string(violation.line) + ": " + violation.text + "\n";
  }
  return text;
}

TEST(IncludeRules, HoldInThisRepository) {
  size_t files = 0;
  for (const std::string& folder : RuledFolders()) {
    fs::path root = fs::path(RINGKV_SOURCE_DIR) / folder;
    ASSERT_TRUE(fs::is_directory(root)) << root;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root)) {
      std::string extension = entry.path().extension();
      if (extension != ".h" && extension != ".cc") continue;
      ++files;
      std::ifstream in(entry.path(), std::ios::binary);
      std::string content((std::istreambuf_iterator<char>(in)), {});
      std::string path = fs::relative(entry.path(), RINGKV_SOURCE_DIR);
      for (const Violation& violation : CheckIncludes(path, content)) {
        ADD_FAILURE() << path << ":" << violation.line << ": " << violation.text;
      }
    }
  }
  EXPECT_GT(files, 20u) << "the walk does not find the sources";
}

TEST(IncludeRules, AnIncludeAgainstTheDirectionIsFound) {
  EXPECT_EQ(
      TextOf("kvnode/store.cc", "#include \"base/ids.h\"\n\n#include \"router/metadata.h\"\n"),
      "3: router/metadata.h: kvnode may not include router\n");
  for (auto [path, include] : {std::pair<std::string, std::string>{"base/x.h", "net/daemon.h"},
                               {"base/x.h", "ringkv/v1/kv.pb.h"},
                               {"net/x.h", "ring/ring.h"},
                               {"ring/x.h", "migration/plan.h"},
                               {"migration/x.h", "net/daemon.h"},
                               {"migration/x.h", "kvnode/store.h"},
                               {"router/x.h", "kvnode/store.h"},
                               {"router/x.h", "client/client.h"},
                               {"client/x.h", "router/x.h"},
                               {"client/x.h", "migration/x.h"},
                               {"ring/x.h", "tests/sim/cluster.h"}}) {
    EXPECT_THAT(TextOf(path, "#include \"" + include + "\""), HasSubstr("may not include"))
        << path << " " << include;
  }
}

TEST(IncludeRules, WhatTheTableAllowsIsLeftAlone) {
  EXPECT_EQ(TextOf("router/a.cc",
                   "#include <vector>\n#include <sys/stat.h>\n#include <nlohmann/json.hpp>\n"
                   "#include \"base/ids.h\"\n#include \"net/http_server.h\"\n"
                   "#include \"ring/ring.h\"\n#include \"migration/plan.h\"\n"
                   "#include \"router/b.h\"\n#include \"ringkv/v1/kv.pb.h\"\n"
                   "// #include \"kvnode/store.h\"\n"),
            "");
  EXPECT_EQ(TextOf("tests/sim/a.cc", "#include \"router/a.h\"\n#include <rocksdb/db.h>\n"), "");
  EXPECT_EQ(TextOf("ring/a.cc", "#include <google/protobuf/message.h>\n"), "");
}

TEST(IncludeRules, BaseUsesOnlyItsFewLibraries) {
  EXPECT_EQ(TextOf("base/a.cc",
                   "#include <spdlog/spdlog.h>\n#include <fmt/core.h>\n#include <CLI/CLI.hpp>\n"
                   "#include <yaml-cpp/yaml.h>\n#include <prometheus/counter.h>\n"
                   "#include <xxhash.h>\n#include <unistd.h>\n#include <sys/stat.h>\n"),
            "");
  for (std::string header : {"nlohmann/json.hpp", "httplib.h", "google/protobuf/message.h"}) {
    EXPECT_THAT(TextOf("base/a.cc", "#include <" + header + ">"), HasSubstr("base may use only"))
        << header;
  }
}

TEST(IncludeRules, GrpcAndRocksDbAppearOnlyInFilesNamedForThem) {
  std::string grpc = "#include <grpcpp/grpcpp.h>\n#include \"ringkv/v1/kv.grpc.pb.h\"\n";
  EXPECT_EQ(TextOf("router/kv_grpc_service.cc", grpc), "");
  EXPECT_EQ(CheckIncludes("router/service.cc", grpc).size(), 2u);
  EXPECT_THAT(TextOf("net/http_server.cc", "#include <grpc/grpc.h>"), HasSubstr("'grpc'"));
  std::string rocks = "#include <rocksdb/db.h>\n";
  EXPECT_EQ(TextOf("kvnode/rocks_store.cc", rocks), "");
  EXPECT_EQ(TextOf("router/embedded_metadata.cc", rocks), "");
  EXPECT_THAT(TextOf("kvnode/store.cc", rocks), HasSubstr("'rocks'"));
}

TEST(IncludeRules, ThePureCoreIsKeptPure) {
  for (std::string path : {"router/sequencer.cc", "router/sequencer_recovery.h", "router/shard.cc",
                           "kvnode/replica.cc", "migration/coordinator.h"}) {
    for (std::string header : {"thread", "mutex", "condition_variable", "sys/socket.h", "poll.h"}) {
      EXPECT_THAT(TextOf(path, "#include <" + header + ">"), HasSubstr("pure core"))
          << path << " " << header;
    }
    EXPECT_THAT(TextOf(path, "  std::this_thread::sleep_for(d);"), HasSubstr("never waits"))
        << path;
    EXPECT_EQ(TextOf(path, "#include <chrono>\n// never calls sleep_for\n"), "") << path;
  }
  EXPECT_THAT(TextOf("migration/slot_grpc.cc", "#include <grpcpp/grpcpp.h>"),
              HasSubstr("pure core"));
  EXPECT_THAT(TextOf("router/sequencer_rocks.cc", "#include <rocksdb/db.h>"),
              HasSubstr("pure core"));
  EXPECT_EQ(TextOf("kvnode/replica_grpc_service.cc", "#include <mutex>\n"), "");
  EXPECT_EQ(TextOf("router/loop.cc", "#include <thread>\n"), "");
}

TEST(IncludeRules, UnusualSpellingsAreSeen) {
  EXPECT_THAT(TextOf("ring/a.h", "  #  include   <kvnode/store.h>  // why"),
              HasSubstr("ring may not include kvnode"));
  EXPECT_THAT(TextOf("ring/a.h", "#include \"kvnode/store.h\"\r\n"), HasSubstr("may not include"));
  EXPECT_THAT(TextOf("ring/a.h", "#include \"../kvnode/store.h\""),
              HasSubstr("path from the root"));
  EXPECT_THAT(TextOf("ring/a.h", "#include \"store.h\""), HasSubstr("path from the root"));
}

}  // namespace
}  // namespace ringkv
