#include "tests/processes/server_process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <iterator>
#include <thread>

#include "tests/kvnode/temp_dir.h"

namespace ringkv {
namespace {

class ServerProcessTest : public testing::Test {
 protected:
  std::string Log() const { return ReadWholeFile(dir_.Sub("log")); }
  template <class Condition>
  static bool Eventually(const Condition& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));  // between two looks
    }
    return true;
  }
  std::unique_ptr<ServerProcess> Shell(const std::string& script,
                                       ProcessGroup group = ProcessGroup::kOurs) {
    return std::make_unique<ServerProcess>("/bin/sh", std::vector<std::string>{"-c", script},
                                           dir_.Sub("log"), group);
  }

  TempDir dir_;
};

TEST_F(ServerProcessTest, EndThatNobodyAskedForIsToldOnce) {
  auto process = Shell("echo working; exit 7");
  process->Start();
  ASSERT_TRUE(Eventually([&] { return process->pid() == 0; }));
  EXPECT_EQ(process->TakeOwnEnd(), std::optional<ExitCode>(7));
  EXPECT_EQ(process->TakeOwnEnd(), std::nullopt);
  EXPECT_EQ(Log(), "working\n");
}

TEST_F(ServerProcessTest, SignalThatWasNotOursIsAnOwnEnd) {
  auto process = Shell("kill -SEGV $$");
  process->Start();
  ASSERT_TRUE(Eventually([&] { return process->pid() == 0; }));
  EXPECT_EQ(process->TakeOwnEnd(), std::optional<ExitCode>(128 + SIGSEGV));
}

TEST_F(ServerProcessTest, KilledOneMayStartAgainAndHasNoOwnEnd) {
  auto process = Shell("echo up; exec sleep 100");
  process->Start();
  ASSERT_TRUE(Eventually([&] { return Log() == "up\n"; }));
  process->Kill();
  EXPECT_EQ(process->pid(), 0);
  EXPECT_EQ(process->TakeOwnEnd(), std::nullopt);
  process->Start();
  EXPECT_NE(process->pid(), 0);
  EXPECT_TRUE(Eventually([&] { return Log() == "up\nup\n"; }));
}

TEST_F(ServerProcessTest, StopGivesTheExitCode) {
  auto process = Shell("trap 'exit 3' TERM; echo up; while :; do sleep 0.01; done");
  process->Start();
  ASSERT_TRUE(Eventually([&] { return Log() == "up\n"; }));
  EXPECT_EQ(process->Stop(), 3);
  EXPECT_EQ(process->TakeOwnEnd(), std::nullopt);
}

TEST_F(ServerProcessTest, ChildInheritsNoOpenFiles) {
  const int file = ::open("/dev/null", O_RDONLY);  // without O_CLOEXEC
  ASSERT_GE(file, 3);
  auto process = Shell("ls /proc/self/fd | wc -l");
  process->Start();
  ASSERT_TRUE(Eventually([&] { return process->pid() == 0; }));
  ::close(file);
  EXPECT_LE(std::stoi(Log()), 4) << "stdin, stdout, stderr, and that of the listing itself";
}

TEST_F(ServerProcessTest, ChildIsInOurProcessGroupOrInItsOwn) {
  auto ours = Shell("exec sleep 100");
  ours->Start();
  EXPECT_EQ(::getpgid(ours->pid()), ::getpgrp());
  auto own = Shell("exec sleep 100", ProcessGroup::kOwn);
  own->Start();
  EXPECT_EQ(::getpgid(own->pid()), own->pid());
}

TEST_F(ServerProcessTest, PausedOneDoesNothingUntilItIsResumed) {
  auto process = Shell("trap 'exit 0' TERM; echo up; while :; do sleep 0.01; done");
  process->Start();
  ASSERT_TRUE(Eventually([&] { return Log() == "up\n"; }));
  process->Pause();
  auto state = [&] {
    std::ifstream stat("/proc/" + std::to_string(process->pid()) + "/stat");
    const std::string text{std::istreambuf_iterator<char>(stat), {}};
    return text.at(text.rfind(')') + 2);
  };
  EXPECT_TRUE(Eventually([&] { return state() == 'T'; }));
  process->Resume();
  EXPECT_EQ(process->Stop(), 0);
}

}  // namespace
}  // namespace ringkv
