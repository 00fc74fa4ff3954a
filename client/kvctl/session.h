// What a command of kvctl runs with, and the commands: each sends what its arguments ask for,
// prints the result and returns the exit code. Nothing is printed by them that Output did not see.
#pragma once

#include <memory>

#include "client/admin_client.h"
#include "client/client.h"
#include "client/kvctl/command_line.h"
#include "client/kvctl/output.h"

namespace ringkv {

struct Session {
  const Globals& globals;
  Output& output;

  Result<std::unique_ptr<Client>> Connect() const {
    return Client::Create({.routers = globals.routers, .timeout = globals.timeout});
  }
  Result<std::unique_ptr<AdminClient>> ConnectAdmin() const {
    return AdminClient::Create(globals.routers, globals.timeout);
  }
};

int RunPut(const PutArgs& args, Session& session);
int RunGet(const GetArgs& args, Session& session);
int RunDel(const DelArgs& args, Session& session);
int RunIncr(const IncrArgs& args, Session& session);
int RunScan(const ScanArgs& args, Session& session);
int RunImport(const ImportArgs& args, Session& session);
int RunExport(const ExportArgs& args, Session& session);
int RunBench(const BenchArgs& args, Session& session);
int RunStatus(const StatusArgs& args, Session& session);
int RunRing(const RingArgs& args, Session& session);
int RunLocate(const LocateArgs& args, Session& session);
int RunCheck(const CheckArgs& args, Session& session);
int RunPlan(const PlanArgs& args, Session& session);
int RunChange(const ChangeArgs& args, Session& session);
int RunMigrations(const MigrationsArgs& args, Session& session);
int RunAcceptLoss(const AcceptLossArgs& args, Session& session);

}  // namespace ringkv
