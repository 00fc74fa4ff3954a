#include "net/daemon.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/check.h"
#include "base/config.h"
#include "base/logging.h"

extern char** environ;

namespace ringkv {
namespace {

constexpr int kExitFailed = 1;
constexpr int kExitBadConfig = 2;

sigset_t HandledSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
  return set;
}

// Turns signals into a request to stop. A thread of its own reads them, so that a second SIGTERM is
// heard while the main thread is busy stopping. To be made before any other thread, which then
// inherit that the signals are blocked.
class StopSignals final : public DaemonControl {
 public:
  StopSignals() {
    sigset_t set = HandledSignals();
    RINGKV_CHECK(::pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0, "cannot block signals");
    // Ignored rather than blocked: a write to a closed connection then says EPIPE.
    ::signal(SIGPIPE, SIG_IGN);
    signal_fd_ = ::signalfd(-1, &set, SFD_CLOEXEC);
    end_fd_ = ::eventfd(0, EFD_CLOEXEC);
    RINGKV_CHECK(signal_fd_ >= 0 && end_fd_ >= 0, "cannot watch for signals");
    thread_ = std::thread([this] { Watch(); });
  }

  ~StopSignals() override {
    uint64_t one = 1;
    RINGKV_CHECK(::write(end_fd_, &one, sizeof one) == sizeof one, "cannot end the signal thread");
    thread_.join();
    ::close(signal_fd_);
    ::close(end_fd_);
  }

  void RequestStop(Status why) override {
    std::lock_guard lock(mutex_);
    if (!why_.has_value()) why_ = std::move(why);
    wake_.notify_all();
  }

  void RequestRestart() override {
    std::lock_guard lock(mutex_);
    if (why_.has_value()) return;
    restart_ = true;
    why_ = Status::Ok();
    wake_.notify_all();
  }

  bool restart() {
    std::lock_guard lock(mutex_);
    return restart_ && !signalled_;
  }

  // Waits for the first reason to stop.
  Status Wait() {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] { return why_.has_value(); });
    return *why_;
  }

 private:
  void Watch() {
    pollfd fds[2] = {{signal_fd_, POLLIN, 0}, {end_fd_, POLLIN, 0}};
    int stop_signals = 0;
    while (true) {
      if (::poll(fds, 2, -1) < 0 && errno == EINTR) continue;
      if (fds[1].revents != 0) return;
      signalfd_siginfo info{};
      if (::read(signal_fd_, &info, sizeof info) != sizeof info) continue;
      const char* name = ::strsignal(static_cast<int>(info.ssi_signo));
      if (info.ssi_signo == SIGHUP) {
        RINGKV_LOG(kInfo, "daemon", "{}: nothing to do", name);
      } else if (++stop_signals == 1) {
        RINGKV_LOG(kInfo, "daemon", "{}: stopping", name);
        NoteSignal();
        RequestStop(Status::Ok());
      } else {
        RINGKV_LOG(kError, "daemon", "{} again: ending at once, without the rest of the stop",
                   name);
        FlushLog();
        ::_exit(kExitFailed);
      }
    }
  }

  void NoteSignal() {
    std::lock_guard lock(mutex_);
    signalled_ = true;
  }

  int signal_fd_ = -1;
  int end_fd_ = -1;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::optional<Status> why_;  // guarded by mutex_
  bool restart_ = false;       // guarded by mutex_
  bool signalled_ = false;     // guarded by mutex_
  std::thread thread_;
};

int Fail(const std::string& program, const Status& status) {
  RINGKV_LOG(kError, program, "{}", status.message());
  FlushLog();
  return kExitFailed;
}

// Returns only if it cannot.
int BeginAnew(const std::string& program, char** argv) {
  RINGKV_LOG(kInfo, program, "begins anew");
  FlushLog();
  // Whatever a library has left open must not be there twice.
  (void)::close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC);
  ::execv("/proc/self/exe", argv);
  return Fail(program, Status::IoError(std::string("cannot begin anew: ") + ::strerror(errno)));
}

}  // namespace

int RunDaemon(ConfigSchema& schema, Daemon& daemon, int argc, char** argv) {
  std::string log_level = "info";
  schema.AddOneOf("log-level", &log_level, LogLevelNames(), "The least level that is logged.");
  Result<Config> config = LoadConfig(schema, argc, argv, environ);
  if (!config.ok()) {
    std::fprintf(stderr, "%s: bad configuration\n%s\n", schema.program().c_str(),
                 config.status().message().c_str());
    return kExitBadConfig;
  }
  if (config->exit.has_value()) {
    std::fputs(config->exit->text.c_str(), stdout);
    return std::fflush(stdout) == 0 ? config->exit->code : kExitFailed;
  }
  Result<LogLevel> level = ParseLogLevel(log_level);
  RINGKV_CHECK(level.ok(), "the schema lets only levels through");
  SetUpLogging(*level);

  StopSignals signals;
  RINGKV_LOG(kInfo, schema.program(), "version {}, process {}", VersionText(), ::getpid());
  Status started = daemon.Start(signals);
  if (!started.ok()) return Fail(schema.program(), started.Annotate("cannot start"));
  Status why = signals.Wait();
  if (!why.ok()) Fail(schema.program(), why.Annotate("stopping"));
  daemon.Stop();
  RINGKV_LOG(kInfo, schema.program(), "stopped");
  if (signals.restart()) return BeginAnew(schema.program(), argv);
  return why.ok() ? 0 : kExitFailed;
}

}  // namespace ringkv
