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

class FaultsTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(cluster_.Start());
    ASSERT_TRUE(cluster_.processes().NewClient()->Put("key", "value").status.ok());
  }
  void TearDown() override {
    std::string why;
    EXPECT_TRUE(cluster_.WaitWhole(Copies::kServing, 60, &why)) << why;
    EXPECT_EQ(cluster_.processes().NewClient()->Get("key").value, "value");
    EXPECT_THAT(findings_, IsEmpty());
  }

  void Happen(const std::string& name, int node, uint64_t seed = 1) {
    const Fault* fault = FindFault(name);
    ASSERT_NE(fault, nullptr);
    PlannedFault planned;
    planned.kind = name;
    planned.node = node;
    planned.hold = Millis(300);
    planned.seed = seed;
    FaultContext context{cluster_,
                         [this](Millis time) {
                           held_ += time;
                           if (while_held_) while_held_();
                         },
                         [this](const std::string& note) { notes_ += note + "\n"; },
                         [this](const std::string& finding) { findings_.push_back(finding); }};
    fault->Happen(planned, context);
    EXPECT_EQ(held_, Millis(300));
  }
  std::string Marker() { return cluster_.processes().NodeDir(3) + "/marker"; }
  pid_t Pid(const std::string& id) { return cluster_.Process(id).pid(); }
  bool CrashedByItself() { return !cluster_.own_ends().empty(); }

  TempDir dir_;
  ChaosCluster cluster_{dir_.Sub("data"), dir_.Sub("logs")};
  std::function<void()> while_held_;
  Millis held_{0};
  std::string notes_;
  std::vector<std::string> findings_;
};

TEST_F(FaultsTest, KillLeavesNoProcessUntilItStartsAnother) {
  const pid_t before = Pid("n3");
  while_held_ = [&] { EXPECT_EQ(Pid("n3"), 0); };
  Happen("kill", 3);
  EXPECT_NE(Pid("n3"), 0);
  EXPECT_NE(Pid("n3"), before);
  EXPECT_FALSE(CrashedByItself()) << "that was us";
}

TEST_F(FaultsTest, PausedProcessGoesOnAsTheSame) {
  const pid_t before = Pid("n3");
  while_held_ = [&] { EXPECT_TRUE(cluster_.processes().WaitReach(3, v1::REACH_DOWN)); };
  Happen("pause", 3);
  EXPECT_EQ(Pid("n3"), before);
}

TEST_F(FaultsTest, RestartStopsInGoodOrder) {
  const pid_t before = Pid("n3");
  Happen("restart", 3);
  EXPECT_NE(Pid("n3"), before);
  EXPECT_THAT(cluster_.processes().Log("n3"), HasSubstr("stopped"));
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
  EXPECT_TRUE(cluster_.processes().WaitReach(3, v1::REACH_UP));
}

TEST_F(FaultsTest, OldDiskHasNothingOfWhatCameAfterTheCopyAndTheNodeNoticesIt) {
  while_held_ = [&] {
    EXPECT_TRUE(cluster_.processes().WaitReach(3, v1::REACH_UP));
    WriteWholeFile(Marker(), "x");
  };
  Happen("disk-old", 3);
  EXPECT_FALSE(std::filesystem::exists(Marker()));
  EXPECT_TRUE(cluster_.processes().WaitFor([&](const v1::GetClusterResponse&) {
    return cluster_.processes().Log("n3").find("this node starts empty") != std::string::npos;
  })) << cluster_.processes().Log("n3");
}

TEST_F(FaultsTest, CorruptedDiskIsReplacedWhereTheNodeRefusesIt) {
  Happen("disk-corrupt", 3);
  EXPECT_THAT(notes_, HasSubstr("flipped bytes"));
  std::string why;
  if (!cluster_.WaitWhole(Copies::kServing, 10, &why)) cluster_.ReplaceDistrustedDisks();
  EXPECT_TRUE(cluster_.WaitWhole(Copies::kServing, 60, &why)) << why;
  for (const ChaosCluster::OwnEnd& end : cluster_.own_ends()) {
    EXPECT_TRUE(end.excused) << end.process << " ended with " << end.code;
  }
}

TEST_F(FaultsTest, ProcessThatEndsByItselfIsNotedAndStartedAgain) {
  const pid_t before = Pid("n2");
  ASSERT_EQ(::kill(before, SIGSEGV), 0);
  EXPECT_TRUE(cluster_.processes().WaitFor([&](const v1::GetClusterResponse&) {
    return CrashedByItself() && Pid("n2") != 0 && Pid("n2") != before;
  }));
  ASSERT_EQ(cluster_.own_ends().size(), 1u);
  EXPECT_EQ(cluster_.own_ends()[0].process, "n2");
  EXPECT_EQ(cluster_.own_ends()[0].code, 128 + SIGSEGV);
  EXPECT_FALSE(cluster_.own_ends()[0].excused);
}

}  // namespace
}  // namespace ringkv
