// Each fault does to real processes what it says, and takes it back. (Whether the product takes it
// well is what the chaos run is for; `topology` needs commands and is tried there alone.)
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>

#include "tests/chaos/fault.h"
#include "tests/kvnode/temp_dir.h"

namespace ringkv {
namespace {

using Copies = ChaosCluster::Copies;
using testing::HasSubstr;
using testing::IsEmpty;

// A cluster that faults happen to, one after the other.
struct Victim {
  void Happen(const std::string& name, int node, uint64_t seed = 1) {
    const Fault* fault = FindFault(name);
    ASSERT_NE(fault, nullptr);
    PlannedFault planned;
    planned.kind = name;
    planned.node = node;
    planned.hold = Millis(300);
    planned.seed = seed;
    Millis held{0};
    FaultContext context{cluster,
                         [&](Millis time) {
                           held += time;
                           if (while_held) while_held();
                         },
                         [this](const std::string& note) { notes += note + "\n"; },
                         [this](const std::string& finding) { findings.push_back(finding); }};
    fault->Happen(planned, context);
    EXPECT_EQ(held, Millis(300));
  }
  // True at the end of the episode; gives a node that refuses its damaged disk an empty one.
  bool Recovers(std::string* why) {
    if (cluster.WaitWhole(Copies::kServing, 10, why)) return true;
    notes += "disk replaced: " + *why + "\n";
    cluster.ReplaceDisksThatDoNotServe();
    return cluster.WaitWhole(Copies::kServing, 60, why);
  }

  TempDir dir;
  ChaosCluster cluster{dir.Sub("data"), dir.Sub("logs")};
  std::function<void()> while_held;
  std::string notes;
  std::vector<std::string> findings;
};

class FaultsTest : public testing::Test, protected Victim {
 protected:
  void SetUp() override {
    ASSERT_TRUE(cluster.Start());
    ASSERT_TRUE(cluster.processes().NewClient()->Put("key", "value").status.ok());
  }
  void TearDown() override {
    std::string why;
    EXPECT_TRUE(cluster.WaitWhole(Copies::kServing, 60, &why)) << why;
    EXPECT_EQ(cluster.processes().NewClient()->Get("key").value, "value");
    EXPECT_THAT(findings, IsEmpty());
  }

  std::string Marker() { return cluster.processes().NodeDir(3) + "/marker"; }
  pid_t Pid(const std::string& id) { return cluster.Process(id).pid(); }
  bool CrashedByItself() { return !cluster.own_ends().empty(); }
};

TEST_F(FaultsTest, KillLeavesNoProcessUntilItStartsAnother) {
  const pid_t before = Pid("n3");
  while_held = [&] { EXPECT_EQ(Pid("n3"), 0); };
  Happen("kill", 3);
  EXPECT_NE(Pid("n3"), 0);
  EXPECT_NE(Pid("n3"), before);
  EXPECT_FALSE(CrashedByItself()) << "that was us";
}

TEST_F(FaultsTest, PausedProcessGoesOnAsTheSame) {
  const pid_t before = Pid("n3");
  while_held = [&] { EXPECT_TRUE(cluster.processes().WaitReach(3, v1::REACH_DOWN)); };
  Happen("pause", 3);
  EXPECT_EQ(Pid("n3"), before);
}

TEST_F(FaultsTest, RestartStopsInGoodOrder) {
  const pid_t before = Pid("n3");
  Happen("restart", 3);
  EXPECT_NE(Pid("n3"), before);
  EXPECT_THAT(cluster.processes().Log("n3"), HasSubstr("stopped"));
}

TEST_F(FaultsTest, RouterIsKilledAndComesBack) {
  const pid_t before = Pid("r1");
  Happen("router", 0);
  EXPECT_NE(Pid("r1"), before);
  EXPECT_NE(Pid("r1"), 0);
}

TEST_F(FaultsTest, WipedDiskIsEmpty) {
  WriteWholeFile(Marker(), "x");
  Happen("disk-wiped", 3);
  EXPECT_FALSE(std::filesystem::exists(Marker()));
  EXPECT_TRUE(cluster.processes().WaitReach(3, v1::REACH_UP));
}

TEST_F(FaultsTest, OldDiskHasNothingOfWhatCameAfterTheCopyAndTheNodeNoticesIt) {
  while_held = [&] {
    EXPECT_TRUE(cluster.processes().WaitReach(3, v1::REACH_UP));
    WriteWholeFile(Marker(), "x");
  };
  Happen("disk-old", 3);
  EXPECT_FALSE(std::filesystem::exists(Marker()));
  EXPECT_TRUE(cluster.processes().WaitFor([&](const v1::GetClusterResponse&) {
    return cluster.processes().Log("n3").find("this node starts empty") != std::string::npos;
  })) << cluster.processes().Log("n3");
}

// Whatever file it is: the node serves on or says why not, and no read comes back wrong.
TEST(CorruptedDisk, IsNeverACrashAndNeverAWrongAnswer) {
  constexpr int kKeys = 2'000;
  const std::string tail(300, 'x');
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    Victim victim;
    ASSERT_TRUE(victim.cluster.Start());
    ClusterProcesses& processes = victim.cluster.processes();
    auto client = processes.NewClient();
    for (int i = 0; i < kKeys; ++i) {
      ASSERT_TRUE(client->Put("k" + std::to_string(i), std::to_string(i) + tail).status.ok());
    }
    ASSERT_EQ(processes.node(3).Stop(), 0);  // into table files: something else than the log
    processes.node(3).Start();
    std::string why;
    ASSERT_TRUE(victim.cluster.WaitWhole(Copies::kClean, 60, &why)) << why;
    victim.Happen("disk-corrupt", 3, seed);
    EXPECT_THAT(victim.notes, HasSubstr("flipped bytes"));
    ASSERT_TRUE(victim.Recovers(&why)) << why << "\n" << victim.notes;
    for (int i = 0; i < kKeys; ++i) {
      const GetResult get = client->Get("k" + std::to_string(i));
      ASSERT_TRUE(get.status.ok()) << get.status.ToString() << "\n" << victim.notes;
      ASSERT_EQ(get.value, std::to_string(i) + tail) << victim.notes;
    }
    for (const ChaosCluster::OwnEnd& end : victim.cluster.own_ends()) {
      EXPECT_TRUE(end.excused) << end.process << " ended with " << end.code << "\n" << victim.notes;
    }
    EXPECT_THAT(victim.findings, IsEmpty());
  }
}

TEST_F(FaultsTest, ProcessThatEndsByItselfIsNotedAndStartedAgain) {
  const pid_t before = Pid("n2");
  ASSERT_EQ(::kill(before, SIGSEGV), 0);
  EXPECT_TRUE(cluster.processes().WaitFor([&](const v1::GetClusterResponse&) {
    return CrashedByItself() && Pid("n2") != 0 && Pid("n2") != before;
  }));
  ASSERT_EQ(cluster.own_ends().size(), 1u);
  EXPECT_EQ(cluster.own_ends()[0].process, "n2");
  EXPECT_EQ(cluster.own_ends()[0].code, 128 + SIGSEGV);
  EXPECT_FALSE(cluster.own_ends()[0].excused);
}

}  // namespace
}  // namespace ringkv
