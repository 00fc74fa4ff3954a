#include "tests/processes/server_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include <chrono>
#include <thread>
#include <utility>

#include "base/check.h"

namespace ringkv {
namespace {

constexpr int kStopMs = 60'000;

ExitCode CodeOf(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

void ServerProcess::Start() {
  std::lock_guard lock(mutex_);
  if (!IsGone()) return;
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, 1, log_.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawn_file_actions_adddup2(&files, 1, 2);
  // Nothing else of ours, such as a lock that would be held for as long as the child lives.
  posix_spawn_file_actions_addclosefrom_np(&files, 3);
  std::vector<std::string> words = arguments_;
  words.insert(words.begin(), binary_);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  char* environment[] = {nullptr};
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  if (group_ == ProcessGroup::kOwn) posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  int error = ::posix_spawn(&pid_, binary_.c_str(), &files, &attributes, argv.data(), environment);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  RINGKV_CHECK(error == 0, "the binaries are built and can be started");
}

void ServerProcess::Kill() {
  std::lock_guard lock(mutex_);
  if (IsGone()) return;
  ::kill(pid_, SIGKILL);
  int status = 0;
  RINGKV_CHECK(::waitpid(pid_, &status, 0) == pid_, "the process is a child of ours");
  pid_ = 0;
  if (CodeOf(status) != 128 + SIGKILL) own_end_ = CodeOf(status);  // it was quicker
}

ExitCode ServerProcess::Stop() {
  std::lock_guard lock(mutex_);
  if (IsGone()) return own_end_.value_or(0);
  ::kill(pid_, SIGTERM);
  const ExitCode code = Wait(kStopMs);
  if (code >= 0) return code;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = 0;
  return 128 + SIGKILL;
}

void ServerProcess::Pause() { Signal(SIGSTOP); }
void ServerProcess::Resume() { Signal(SIGCONT); }

void ServerProcess::Signal(int signal_number) {
  std::lock_guard lock(mutex_);
  if (!IsGone()) ::kill(pid_, signal_number);
}

pid_t ServerProcess::pid() {
  std::lock_guard lock(mutex_);
  return IsGone() ? 0 : pid_;
}

std::optional<ExitCode> ServerProcess::TakeOwnEnd() {
  std::lock_guard lock(mutex_);
  IsGone();
  return std::exchange(own_end_, std::nullopt);
}

bool ServerProcess::IsGone() {
  if (pid_ == 0) return true;
  const ExitCode code = Wait(0);
  if (code < 0) return false;
  own_end_ = code;
  return true;
}

ExitCode ServerProcess::Wait(int max_ms) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(max_ms);
  for (;;) {
    int status = 0;
    const pid_t ended = ::waitpid(pid_, &status, WNOHANG);
    RINGKV_CHECK(ended >= 0, "the process is a child of ours");
    if (ended == pid_) {
      pid_ = 0;
      return CodeOf(status);
    }
    if (std::chrono::steady_clock::now() >= deadline) return -1;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));  // between two looks
  }
}

}  // namespace ringkv
