// The ring's benchmark; `./dev bench ring` builds and runs it. Exit codes: 0 done, whatever the
// figures, 1 the JSON could not be written, 2 wrong usage.
#include <cstdio>
#include <fstream>

#include "bench/ring/benchmark.h"
#include "bench/ring/report.h"

namespace ringkv::bench {
namespace {

void Print(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

int Complain(const std::string& text, int code) {
  std::fprintf(stderr, "bench ring: %s\n", text.c_str());
  return code;
}

int Main(int argc, char** argv) {
  const Result<Invocation> invocation = ParseCommandLine(argc, argv);
  if (!invocation.ok()) return Complain(invocation.status().message(), 2);
  if (!invocation->options) {
    Print(invocation->text);
    return 0;
  }
  const Options& options = *invocation->options;
  const bool wants_json = !options.json_file.empty();
  // Known before the run; what is there stays until there is something new.
  if (wants_json && !std::ofstream(options.json_file, std::ios::app)) {
    return Complain("cannot write " + options.json_file, 2);
  }
  const Results results =
      RunBenchmark(options, {.started = [](const Results& so_far) { Print(PreambleText(so_far)); },
                             .scale_done = [](const Scale& scale) { Print(ScaleText(scale)); },
                             .doing =
                                 [stopwatch = Stopwatch()](const std::string& what) {
                                   std::fprintf(stderr, "bench, %3.0f s: %s\n", stopwatch.Seconds(),
                                                what.c_str());
                                 }});
  Print(TargetsText(results));
  if (!wants_json) return 0;
  std::ofstream file(options.json_file);
  file << ResultsJson(results).dump(1) << '\n';
  if (!file.flush()) return Complain("could not write all of " + options.json_file, 1);
  return 0;
}

}  // namespace
}  // namespace ringkv::bench

int main(int argc, char** argv) { return ringkv::bench::Main(argc, argv); }
