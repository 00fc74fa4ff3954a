// ringkv_chaos: faults on real processes (docs/chaos.md); `./dev chaos` builds and runs it.
#include <signal.h>

#include <atomic>
#include <cstdio>
#include <filesystem>

#include "tests/chaos/chaos_run.h"

namespace ringkv {
namespace {

constexpr int kExitUsage = 2;

std::atomic<bool> interrupted{false};

// What an earlier run left in its place goes; anything else is not ours to touch.
Status PrepareDirectory(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (fs::exists(path, error)) {
    if (!fs::is_directory(path, error))
      return Status::InvalidArgument(path + " is not a directory");
    const bool earlier_run = fs::exists(path + "/history.jsonl") || fs::exists(path + "/probe");
    if (!fs::is_empty(path, error) && !earlier_run) {
      return Status::InvalidArgument(path + " holds something that is not an earlier run's");
    }
    for (const char* name : {"history.jsonl", "report.json", "logs", "data", "probe"}) {
      fs::remove_all(path + "/" + name, error);
    }
  }
  fs::create_directories(path + "/logs", error);
  if (error) return Status::InvalidArgument("cannot make " + path + ": " + error.message());
  return Status::Ok();
}

int Main(const std::vector<std::string>& arguments) {
  Result<ChaosOptions> options = ParseChaosOptions(arguments);
  if (!options.ok()) {
    std::fprintf(stderr, "chaos: %s\n", options.status().message().c_str());
    return kExitUsage;
  }
  if (options->help) {
    std::fputs(ChaosHelp().c_str(), stdout);
    return 0;
  }
  options->out = std::filesystem::absolute(options->out).lexically_normal().string();
  if (Status prepared = PrepareDirectory(options->out); !prepared.ok()) {
    std::fprintf(stderr, "chaos: --out: %s\n", prepared.message().c_str());
    return kExitUsage;
  }
  struct sigaction stop {};
  stop.sa_handler = [](int) { interrupted = true; };
  for (int signal_number : {SIGINT, SIGTERM, SIGHUP}) ::sigaction(signal_number, &stop, nullptr);
  return ChaosRun(*options, interrupted).Run();
}

}  // namespace
}  // namespace ringkv

int main(int argc, char** argv) {
  return ringkv::Main(std::vector<std::string>(argv + 1, argv + argc));
}
