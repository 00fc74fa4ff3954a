// RunDaemon owns a process, so each test runs it in a child and looks at it from outside.
#include "net/daemon.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/config.h"

namespace ringkv {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

void Say(const std::string& text) { (void)!::write(STDERR_FILENO, text.data(), text.size()); }

// What a test's daemon does; each step may be replaced.
class ScriptedDaemon final : public Daemon {
 public:
  std::function<Status(DaemonControl&)> start = [](DaemonControl&) { return Status::Ok(); };
  std::function<void()> stop = [] {};

  Status Start(DaemonControl& control) override {
    Status status = start(control);
    Say(status.ok() ? "<started>\n" : "<not started>\n");
    return status;
  }
  void Stop() override {
    Say("<stopping>\n");
    stop();
    Say("<stopped>\n");
  }
};

// A child that runs a daemon; its stdout and stderr come through one pipe.
class Child {
 public:
  explicit Child(const std::function<void(ScriptedDaemon&)>& script,
                 std::vector<std::string> flags = {}) {
    int out[2];
    EXPECT_EQ(::pipe2(out, O_CLOEXEC), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(out[1], STDOUT_FILENO);
      ::dup2(out[1], STDERR_FILENO);
      ScriptedDaemon daemon;
      script(daemon);
      uint32_t vnodes = 128;
      ConfigSchema schema("testd", "A daemon to test with.");
      schema.AddUint("vnodes", &vnodes, 1, 4096, "Share.");
      std::vector<char*> argv = {const_cast<char*>("testd")};
      for (std::string& flag : flags) argv.push_back(flag.data());
      ::_exit(RunDaemon(schema, daemon, static_cast<int>(argv.size()), argv.data()));
    }
    ::close(out[1]);
    out_ = out[0];
  }
  ~Child() {
    ::kill(pid_, SIGKILL);
    if (!reaped_) ::waitpid(pid_, nullptr, 0);
    ::close(out_);
  }

  void Signal(int signal) { EXPECT_EQ(::kill(pid_, signal), 0); }

  // Reads until the child has said `text`; false if it ends, or 20 s pass, before.
  bool WaitFor(const std::string& text) {
    auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (said_.find(text) == std::string::npos) {
      auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
          deadline - std::chrono::steady_clock::now());
      pollfd fd{out_, POLLIN, 0};
      if (left.count() <= 0 || ::poll(&fd, 1, static_cast<int>(left.count())) <= 0) return false;
      char buffer[4096];
      ssize_t n = ::read(out_, buffer, sizeof buffer);
      if (n <= 0) return false;
      said_.append(buffer, static_cast<size_t>(n));
    }
    return true;
  }

  // Its exit code, or -1 if a signal ended it.
  int Exit() {
    while (WaitFor("\x01 never said")) {
    }
    int status = 0;
    ::waitpid(pid_, &status, 0);
    reaped_ = true;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  const std::string& said() const { return said_; }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
  int out_ = -1;
  bool reaped_ = false;
  std::string said_;
};

void AsItIs(ScriptedDaemon&) {}

// What a process that began anew is in these tests: this program again, which notices it here.
constexpr char kBegunAnew[] = "DAEMON_TEST_BEGUN_ANEW";
[[maybe_unused]] const bool first_life = [] {
  if (std::getenv(kBegunAnew) == nullptr) return true;
  Say("<begun anew as " + std::to_string(::getpid()) + ">\n");
  ::_exit(7);
}();

TEST(Daemon, BeginsAnewAfterAGracefulStopUnderItsProcessId) {
  Child child([](ScriptedDaemon& daemon) {
    ::setenv(kBegunAnew, "1", 1);
    daemon.start = [](DaemonControl& control) {
      control.RequestRestart();
      return Status::Ok();
    };
  });
  EXPECT_EQ(child.Exit(), 7) << child.said();
  EXPECT_THAT(child.said(),
              AllOf(HasSubstr("<stopped>"),
                    HasSubstr("<begun anew as " + std::to_string(child.pid()) + ">")));
}

TEST(Daemon, ASignalIsStrongerThanTheWishToBeginAnew) {
  int go[2];
  ASSERT_EQ(::pipe2(go, O_CLOEXEC), 0);
  Child child([&](ScriptedDaemon& daemon) {
    ::setenv(kBegunAnew, "1", 1);
    daemon.start = [](DaemonControl& control) {
      control.RequestRestart();
      return Status::Ok();
    };
    daemon.stop = [&] {
      char byte;
      (void)!::read(go[0], &byte, 1);
    };
  });
  ASSERT_TRUE(child.WaitFor("<stopping>"));
  child.Signal(SIGTERM);
  EXPECT_TRUE(child.WaitFor(": stopping")) << child.said();
  EXPECT_EQ(::write(go[1], "x", 1), 1);
  EXPECT_EQ(child.Exit(), 0) << child.said();
  EXPECT_THAT(child.said(), Not(HasSubstr("begun anew")));
  ::close(go[0]);
  ::close(go[1]);
}

TEST(Daemon, StopsGracefullyOnSigtermAndSigint) {
  for (int signal : {SIGTERM, SIGINT}) {
    Child child(AsItIs);
    ASSERT_TRUE(child.WaitFor("<started>"));
    child.Signal(signal);
    EXPECT_EQ(child.Exit(), 0) << child.said();
    EXPECT_THAT(child.said(), AllOf(HasSubstr("<stopped>"), HasSubstr("testd: stopped")));
  }
}

TEST(Daemon, SighupAndSigpipeDoNothing) {
  Child child(AsItIs);
  ASSERT_TRUE(child.WaitFor("<started>"));
  child.Signal(SIGPIPE);
  child.Signal(SIGHUP);
  ASSERT_TRUE(child.WaitFor("nothing to do")) << child.said();
  child.Signal(SIGTERM);
  EXPECT_EQ(child.Exit(), 0) << child.said();
}

TEST(Daemon, AWriteToAClosedPipeIsAnErrorAndNotTheEnd) {
  Child child([](ScriptedDaemon& daemon) {
    daemon.start = [](DaemonControl&) {
      int fds[2];
      if (::pipe(fds) != 0) return Status::Internal("pipe");
      ::close(fds[0]);
      bool epipe = ::write(fds[1], "x", 1) < 0 && errno == EPIPE;
      return epipe ? Status::Ok() : Status::Internal("no EPIPE");
    };
  });
  EXPECT_TRUE(child.WaitFor("<started>")) << child.said();
}

TEST(Daemon, ASecondSignalDuringTheStopEndsItAtOnce) {
  Child child([](ScriptedDaemon& daemon) {
    daemon.stop = [] {
      while (true) ::pause();
    };
  });
  ASSERT_TRUE(child.WaitFor("<started>"));
  child.Signal(SIGTERM);
  ASSERT_TRUE(child.WaitFor("<stopping>"));
  child.Signal(SIGTERM);
  EXPECT_EQ(child.Exit(), 1);
  EXPECT_THAT(child.said(), AllOf(HasSubstr("ending at once"), Not(HasSubstr("<stopped>"))));
}

TEST(Daemon, ASignalDuringTheStartStopsItAfterwards) {
  Child child([](ScriptedDaemon& daemon) {
    daemon.start = [](DaemonControl&) {
      ::kill(::getpid(), SIGTERM);
      return Status::Ok();
    };
  });
  EXPECT_EQ(child.Exit(), 0);
  EXPECT_THAT(child.said(), HasSubstr("<stopped>"));
}

TEST(Daemon, ThreadsOfTheDaemonGetNoSignals) {
  Child child([](ScriptedDaemon& daemon) {
    daemon.start = [](DaemonControl&) {
      std::thread([] {
        while (true) ::pause();
      }).detach();
      return Status::Ok();
    };
  });
  ASSERT_TRUE(child.WaitFor("<started>"));
  child.Signal(SIGTERM);
  EXPECT_EQ(child.Exit(), 0) << child.said();
}

TEST(Daemon, AFailedStartExits1AndSaysWhy) {
  Child child([](ScriptedDaemon& daemon) {
    daemon.start = [](DaemonControl&) { return Status::IoError("no disk"); };
  });
  EXPECT_EQ(child.Exit(), 1);
  EXPECT_THAT(child.said(),
              AllOf(HasSubstr("testd: cannot start: no disk"), Not(HasSubstr("<stopping>"))));
}

TEST(Daemon, AFailureWhileRunningStopsItAndExits1) {
  Child child([](ScriptedDaemon& daemon) {
    daemon.start = [](DaemonControl& control) {
      std::thread([&control] { control.RequestStop(Status::IoError("disk failed")); }).detach();
      return Status::Ok();
    };
  });
  EXPECT_EQ(child.Exit(), 1);
  EXPECT_THAT(child.said(), AllOf(HasSubstr("stopping: disk failed"), HasSubstr("<stopped>")));
}

TEST(Daemon, ABadConfigurationExits2BeforeAnythingStarts) {
  for (const std::vector<std::string>& flags :
       {std::vector<std::string>{"--vnodes", "0"}, {"--check-config", "--vnodes", "0"}}) {
    Child child(AsItIs, flags);
    EXPECT_EQ(child.Exit(), 2);
    EXPECT_THAT(child.said(), AllOf(HasSubstr("bad configuration"), HasSubstr("flag --vnodes"),
                                    Not(HasSubstr("<started>"))));
  }
}

TEST(Daemon, HelpVersionAndCheckConfigPrintAndExit0) {
  Child help(AsItIs, {"--help"});
  EXPECT_EQ(help.Exit(), 0);
  EXPECT_THAT(help.said(), HasSubstr("--log-level"));
  Child version(AsItIs, {"--version"});
  EXPECT_EQ(version.Exit(), 0);
  EXPECT_EQ(version.said(), "testd " + std::string(VersionText()) + "\n");
  Child check(AsItIs, {"--check-config", "--vnodes", "7"});
  EXPECT_EQ(check.Exit(), 0);
  EXPECT_THAT(check.said(),
              AllOf(HasSubstr("vnodes: 7  # flag --vnodes"),
                    HasSubstr("log-level: info  # default"), Not(HasSubstr("<started>"))));
}

TEST(Daemon, LogLevelIsObeyed) {
  Child child(AsItIs, {"--log-level", "error"});
  ASSERT_TRUE(child.WaitFor("<started>"));
  child.Signal(SIGTERM);
  EXPECT_EQ(child.Exit(), 0);
  EXPECT_EQ(child.said(), "<started>\n<stopping>\n<stopped>\n");
}

}  // namespace
}  // namespace ringkv
