// The table of bad input (docs/bad-input.md) against the real programs: each case has the message
// and the exit code that stand there, ends in time, and changes nothing.
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <iostream>

#include "tests/badinput/case_file.h"
#include "tests/badinput/shell.h"
#include "tests/badinput/table.h"
#include "tests/integration/local_cluster.h"
#include "tests/processes/free_ports.h"

namespace ringkv::badinput {
namespace {

using Names = std::map<std::string, std::string>;
// At what must not change; with or without files.
using Look = std::function<std::string(const Case&)>;

const std::string kRunsOn = "runs_on ";

Row ShowRow(const Case& each, const ShellResult& result, const Names& names) {
  const bool runs_on = each.command.starts_with(kRunsOn);
  return {.input = runs_on ? each.command.substr(kRunsOn.size()) : each.command,
          .message = Normalised(result.output, names),
          .code = result.code};
}

// Runs the cases of one file and compares them with its section of the document.
void RunCases(const CaseFile& file, Shell& shell, const Names& names, const Look& look) {
  std::vector<Row> rows;
  for (const Case& each : file.cases) {
    const std::string where = file.name + ".txt:" + std::to_string(each.line) + ": " + each.command;
    for (const std::string& command : each.setup) {
      const ShellResult result = shell.Run(command);
      ASSERT_EQ(result.code, "0") << where << ", preparing it: " << command << "\n"
                                  << result.output;
    }
    const std::string before = look(each);
    const auto begun = std::chrono::steady_clock::now();
    const ShellResult result = shell.Run(each.command);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
    EXPECT_TRUE(result.in_time) << where << " did not end in time\n" << result.output;
    if (took.count() > 2) std::cout << where << " took " << took.count() << " s\n";
    rows.push_back(ShowRow(each, result, names));
    EXPECT_FALSE(rows.back().message.empty()) << where << " says nothing";
    EXPECT_EQ(look(each), before) << where << " has changed something";
  }
  CheckSection(file, FormatSection(file, rows));
}

std::string Port(int port) { return "127.0.0.1:" + std::to_string(port); }

std::string NameOf(const testing::TestParamInfo<CaseFile>& info) { return info.param.name; }

std::vector<CaseFile> FilesFor(Needs needs) {
  const Result<std::vector<CaseFile>> files = LoadCaseFiles(needs);
  if (!files.ok()) std::cerr << files.status().message() << "\n";
  return files.ok() ? *files : std::vector<CaseFile>();
}

class BadInputAlone : public testing::TestWithParam<CaseFile> {};

TEST_P(BadInputAlone, HasTheMessageAndTheCodeOfTheTable) {
  const int port = FreePortPair();
  Names variables = {{"FREE", Port(port)}, {"FREE_TOO", Port(port + 1)}};
  Shell shell(variables);
  variables["DIR"] = shell.directory();
  RunCases(GetParam(), shell, variables,
           [&](const Case& each) { return each.makes_files ? std::string() : shell.Listing(); });
}

INSTANTIATE_TEST_SUITE_P(Cases, BadInputAlone, testing::ValuesIn(FilesFor(Needs::kNothing)),
                         NameOf);

// Members, epoch, and every key with its version.
std::string Describe(LocalCluster& cluster, Client& client) {
  std::string text;
  const bool answered = cluster.WaitFor([&](const v1::GetClusterResponse& now) {
    text = "epoch " + std::to_string(now.epoch()) + ", replicas " + std::to_string(now.replicas());
    for (const v1::NodeStatus& node : now.nodes()) {
      text += "\n" + node.node().id() + " " + node.node().address() + " " +
              v1::NodeState_Name(node.node().state()) + " " + std::to_string(node.node().vnodes()) +
              " boot " + std::to_string(node.node().boot());
    }
    text += "\nmigrations " + std::to_string(now.migrations_size());
    return true;
  });
  EXPECT_TRUE(answered) << "the router does not answer any more";
  const Status scanned = client.Scan({}, [&](const ScanEntry& entry) {
    text += "\n" + entry.key + "=" + entry.value + " " + entry.version.ToString() + " " +
            std::to_string(entry.expires_at_ms);
    return true;
  });
  EXPECT_TRUE(scanned.ok()) << scanned.message();
  return text;
}

// The disks of a cluster that has ended.
class OtherCluster {
 public:
  OtherCluster() {
    ClusterProcessesOptions options;
    options.nodes = options.replicas = 1;
    options.slots = 16;
    ClusterProcesses cluster(options, directory());
    EXPECT_TRUE(cluster.Start());
    node_ = cluster.node_address(1);
    EXPECT_TRUE(cluster.NewClient()->Put("k", "of the other cluster").status.ok());
  }
  std::string directory() const { return temp_.Sub("other"); }
  const std::string& node() const { return node_; }

 private:
  TempDir temp_;
  std::string node_;
};

TEST(BadInput, WithAClusterHasTheMessageAndTheCodeOfTheTable) {
  LocalClusterOptions options;
  options.slots = 16;
  // On a busy machine a node may be silent for the usual half a second, and a second process under
  // its id would not be told of it.
  options.router_arguments = {"--suspect-after", "30s"};
  LocalCluster cluster(options);
  ASSERT_TRUE(cluster.Start());
  const OtherCluster other;
  auto client = cluster.NewClient();
  ASSERT_TRUE(client->Put("k", "v").status.ok());
  ASSERT_TRUE(client->Put("text", "five").status.ok());
  ASSERT_TRUE(client->Put("most", "9223372036854775807").status.ok());
  for (const CaseFile& file : FilesFor(Needs::kCluster)) {
    SCOPED_TRACE(file.name);
    const int port = FreePortPair();
    Names variables = {{"ROUTER", cluster.router_address()},
                       {"ROUTER_HTTP", cluster.router_http()},
                       {"ROUTER_DIR", cluster.RouterDir()},
                       {"NODE1", cluster.node_address(1)},
                       {"NODE1_HTTP", cluster.node_http(1)},
                       {"NODE1_DIR", cluster.NodeDir(1)},
                       {"OTHER_DIR", other.directory()},
                       {"OTHER_NODE", other.node()},
                       {"FREE", Port(port)},
                       {"FREE_TOO", Port(port + 1)},
                       {"RINGKV_ROUTER", cluster.router_address()}};
    Shell shell(variables);
    variables.erase("RINGKV_ROUTER");
    variables["DIR"] = shell.directory();
    RunCases(file, shell, variables, [&](const Case& each) {
      return Describe(cluster, *client) + (each.makes_files ? "" : shell.Listing());
    });
  }
}

TEST(BadInput, DocumentHasOneSectionForEachFileOfCases) {
  const Result<std::vector<CaseFile>> files = LoadCaseFiles();
  ASSERT_TRUE(files.ok()) << files.status().message();
  CheckDocument(*files);
}

}  // namespace
}  // namespace ringkv::badinput
