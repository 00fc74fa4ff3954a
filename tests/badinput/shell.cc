#include "tests/badinput/shell.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <chrono>
#include <filesystem>
#include <set>
#include <thread>
#include <vector>

#include "base/check.h"

namespace ringkv::badinput {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kLongest{30};

int CodeOf(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

// False: it was killed, with its process group, because its time was up.
bool WaitFor(pid_t pid, int* status) {
  const auto deadline = std::chrono::steady_clock::now() + kLongest;
  while (std::chrono::steady_clock::now() < deadline) {
    const pid_t ended = ::waitpid(pid, status, WNOHANG);
    RINGKV_CHECK(ended >= 0, "the shell is a child of ours");
    if (ended == pid) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));  // between two looks
  }
  ::kill(-pid, SIGKILL);
  ::waitpid(pid, status, 0);
  return false;
}

bool IsRocksDirectory(const fs::path& path) { return fs::exists(path / "CURRENT"); }

void List(const fs::path& root, const fs::path& path, std::set<std::string>& lines) {
  std::error_code gone;
  for (const fs::directory_entry& entry : fs::directory_iterator(path, gone)) {
    struct stat info {};
    if (::lstat(entry.path().c_str(), &info) != 0) continue;
    std::string line = fs::relative(entry.path(), root).string();
    if (S_ISDIR(info.st_mode)) {
      lines.insert(line + "/");
      if (!IsRocksDirectory(entry.path())) List(root, entry.path(), lines);
      continue;
    }
    lines.insert(line + " " + std::to_string(info.st_mode) + " " + std::to_string(info.st_size) +
                 " " + std::to_string(info.st_mtim.tv_sec) + "." +
                 std::to_string(info.st_mtim.tv_nsec));
  }
}

}  // namespace

Shell::Shell(std::map<std::string, std::string> variables)
    : variables_(std::move(variables)), directory_(temp_.Sub("dir")) {
  fs::create_directory(directory_);
  variables_["HOME"] = directory_;
  variables_["LC_ALL"] = "C.UTF-8";
  variables_["PATH"] = std::string(RINGKV_BIN) + ":" + RINGKV_TEST_BIN + ":/usr/bin:/bin";
  variables_["SOURCE"] = RINGKV_SOURCE_DIR;
  variables_["CODE_FILE"] = temp_.Sub("code");
  variables_["WORK"] = temp_.Sub("work");
  variables_["BASH_ENV"] = RINGKV_BADINPUT_PRELUDE;
  fs::create_directory(variables_["WORK"]);
}

ShellResult Shell::Run(const std::string& command) {
  const std::string out = temp_.Sub("out");
  fs::remove(out);
  fs::remove(variables_["CODE_FILE"]);
  std::vector<std::string> words = {"bash", "-c", "cd " + directory_ + " && { " + command + "\n}"};
  std::vector<std::string> environment;
  for (const auto& [name, value] : variables_) environment.push_back(name + "=" + value);
  std::vector<char*> argv, envp;
  for (std::string& word : words) argv.push_back(word.data());
  for (std::string& entry : environment) envp.push_back(entry.data());
  argv.push_back(nullptr);
  envp.push_back(nullptr);

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, 1, out.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawn_file_actions_adddup2(&files, 1, 2);
  posix_spawn_file_actions_addclosefrom_np(&files, 3);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  pid_t pid = 0;
  const int error = ::posix_spawn(&pid, "/bin/bash", &files, &attributes, argv.data(), envp.data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  RINGKV_CHECK(error == 0, "there is a bash");

  int status = 0;
  ShellResult result;
  result.in_time = WaitFor(pid, &status);
  result.output = ReadWholeFile(out);
  result.code = std::to_string(CodeOf(status));
  if (fs::exists(variables_["CODE_FILE"])) result.code = ReadWholeFile(variables_["CODE_FILE"]);
  return result;
}

std::string Shell::Listing() const {
  std::set<std::string> lines;
  List(directory_, directory_, lines);
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

}  // namespace ringkv::badinput
