#include "tests/client/kvctl_process.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/check.h"

namespace ringkv {

ScratchDirectory::ScratchDirectory() {
  std::string name = (std::filesystem::temp_directory_path() / "kvctl_test_XXXXXX").string();
  RINGKV_CHECK(::mkdtemp(name.data()) != nullptr, "a scratch directory can be made");
  path_ = name;
}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

KvctlResult RunKvctl(const std::string& router, const std::vector<std::string>& arguments,
                     const std::string& input) {
  const ScratchDirectory scratch;
  const std::string in = scratch.Path("in"), out = scratch.Path("out"), err = scratch.Path("err");
  WriteFile(in, input);

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, in.c_str(), O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, 1, out.c_str(), O_WRONLY | O_CREAT, 0600);
  posix_spawn_file_actions_addopen(&files, 2, err.c_str(), O_WRONLY | O_CREAT, 0600);

  std::vector<std::string> words = {RINGKV_KVCTL};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::string variable = "RINGKV_ROUTER=" + router;
  char* environment[] = {router.empty() ? nullptr : variable.data(), nullptr};

  pid_t pid = 0;
  const int error = ::posix_spawn(&pid, RINGKV_KVCTL, &files, nullptr, argv.data(), environment);
  posix_spawn_file_actions_destroy(&files);
  RINGKV_CHECK(error == 0, "kvctl is built and can be started");
  int status = 0;
  RINGKV_CHECK(::waitpid(pid, &status, 0) == pid, "kvctl is a child of ours");
  KvctlResult result;
  result.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  result.out = ReadFile(out);
  result.err = ReadFile(err);
  return result;
}

}  // namespace ringkv
