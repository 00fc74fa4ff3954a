// kvctl: the command line of ringkv.
#include <unistd.h>

#include "client/kvctl/command_line.h"
#include "client/kvctl/exit_code.h"
#include "client/kvctl/output.h"
#include "client/kvctl/router_probe.h"
#include "client/kvctl/session.h"

namespace ringkv {
namespace {

// For people: where a router should be and something else is, or nothing.
void NoteWhatListens(const std::vector<std::string>& routers) {
  for (const std::string& address : routers) {
    const std::string what = ExplainStranger(address);
    if (!what.empty()) Output::Note(what);
  }
}

// One RunX for each kind of arguments.
struct Run {
  Session& session;
  int operator()(const PutArgs& args) const { return RunPut(args, session); }
  int operator()(const GetArgs& args) const { return RunGet(args, session); }
  int operator()(const DelArgs& args) const { return RunDel(args, session); }
  int operator()(const IncrArgs& args) const { return RunIncr(args, session); }
  int operator()(const ScanArgs& args) const { return RunScan(args, session); }
  int operator()(const ImportArgs& args) const { return RunImport(args, session); }
  int operator()(const ExportArgs& args) const { return RunExport(args, session); }
  int operator()(const BenchArgs& args) const { return RunBench(args, session); }
  int operator()(const StatusArgs& args) const { return RunStatus(args, session); }
  int operator()(const RingArgs& args) const { return RunRing(args, session); }
  int operator()(const LocateArgs& args) const { return RunLocate(args, session); }
  int operator()(const CheckArgs& args) const { return RunCheck(args, session); }
  int operator()(const PlanArgs& args) const { return RunPlan(args, session); }
  int operator()(const ChangeArgs& args) const { return RunChange(args, session); }
  int operator()(const MigrationsArgs& args) const { return RunMigrations(args, session); }
  int operator()(const AcceptLossArgs& args) const { return RunAcceptLoss(args, session); }
};

int Main(int argc, char** argv) {
  const Result<Invocation> invocation = ParseCommandLine(argc, argv, environ);
  if (!invocation.ok()) {
    Output output(FormatOf(argc, argv));
    return output.Finish(output.Fail(invocation.status()));
  }
  Output output(invocation->globals.format);
  if (!invocation->command) {
    output.Bytes(invocation->text);
    return output.Finish(invocation->code);
  }
  Session session{.globals = invocation->globals, .output = output};
  const int code = std::visit(Run{session}, *invocation->command);
  if (code == kExitUnavailable && !output.json()) NoteWhatListens(session.globals.routers);
  return output.Finish(code);
}

}  // namespace
}  // namespace ringkv

int main(int argc, char** argv) { return ringkv::Main(argc, argv); }
