// One server as a child process: started, killed, stopped, paused by its pid; what it prints is
// appended to a log file. How it ended is remembered where it was not us who ended it.
//
// Thread-safe. Whatever still runs is killed with the object.
#pragma once

#include <sys/types.h>

#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace ringkv {

// How a process ended: its exit code, or 128 + the signal that ended it, as a shell has it.
using ExitCode = int;

// Whom a signal to our process group reaches, such as Ctrl-C at a terminal.
enum class ProcessGroup {
  kOurs,  // the child too
  kOwn,   // not the child: for a parent that ends its children itself
};

class ServerProcess {
 public:
  ServerProcess(std::string binary, std::vector<std::string> arguments, std::string log,
                ProcessGroup group = ProcessGroup::kOurs)
      : binary_(std::move(binary)),
        arguments_(std::move(arguments)),
        log_(std::move(log)),
        group_(group) {}
  ~ServerProcess() { Kill(); }
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  void Start();     // does nothing where it runs
  void Kill();      // -9, and waits for its end
  ExitCode Stop();  // SIGTERM, and waits; -9 after a minute
  void Pause();     // SIGSTOP
  void Resume();    // SIGCONT

  pid_t pid();  // 0: it does not run
  // Its end, where nobody asked for that; each end is told once.
  std::optional<ExitCode> TakeOwnEnd();

 private:
  bool IsGone();              // guarded by mutex_
  ExitCode Wait(int max_ms);  // guarded by mutex_; -1: it still runs
  void Signal(int signal_number);

  const std::string binary_;
  const std::vector<std::string> arguments_;
  const std::string log_;
  const ProcessGroup group_;
  std::mutex mutex_;
  pid_t pid_ = 0;                    // guarded by mutex_
  std::optional<ExitCode> own_end_;  // guarded by mutex_
};

}  // namespace ringkv
