// admin add-node, remove-node and set-vnodes, and admin migrations.
#include <algorithm>
#include <thread>

#include "client/kvctl/exit_code.h"
#include "client/kvctl/migration_text.h"
#include "client/kvctl/progress_bar.h"
#include "client/kvctl/session.h"
#include "client/kvctl/text_table.h"

namespace ringkv {
namespace {

constexpr Duration kPollInterval = std::chrono::milliseconds(200);

bool IsOver(const v1::MigrationStatus& migration) {
  return migration.record().state() == v1::MIGRATION_STATE_DONE ||
         migration.record().state() == v1::MIGRATION_STATE_ABORTED;
}

// The one migration; the client's timeout bounds each question, not the whole.
Result<v1::MigrationStatus> Look(AdminClient& admin, uint64_t id) {
  const Result<v1::ListMigrationsResponse> list = admin.ListMigrations(id);
  if (!list.ok()) return list.status();
  if (list->migrations().empty()) {
    return Status::NotFound("there is no migration " + std::to_string(id));
  }
  return list->migrations(0);
}

// A router that restarts meanwhile is waited for like one that is busy.
Result<v1::MigrationStatus> WaitForEnd(AdminClient& admin, uint64_t id) {
  ProgressBar bar;
  while (true) {
    Result<v1::MigrationStatus> migration = Look(admin, id);
    if (!migration.ok()) {
      if (migration.status().code() != StatusCode::kUnavailable) return migration.status();
      return Status::UnknownOutcome(
          "migration " + std::to_string(id) +
          " goes on, as far as is known: " + migration.status().message());
    }
    if (IsOver(*migration)) return migration;
    bar.Show(ProgressText(*migration), FractionOf(*migration));
    std::this_thread::sleep_for(kPollInterval);
  }
}

int PrintOne(const v1::MigrationStatus& migration, Session& session) {
  if (session.output.json()) {
    session.output.Document(MigrationJson(migration));
  } else {
    PrintMigration(migration, session.output);
  }
  return kExitDone;
}

int Watch(AdminClient& admin, Session& session) {
  const Result<v1::ListMigrationsResponse> list = admin.ListMigrations(0);
  if (!list.ok()) return session.output.Fail(list.status());
  for (const v1::MigrationStatus& migration : list->migrations()) {
    if (IsOver(migration)) continue;
    const Result<v1::MigrationStatus> end = WaitForEnd(admin, migration.record().id());
    return end.ok() ? PrintOne(*end, session) : session.output.Fail(end.status());
  }
  if (session.output.json()) {
    session.output.Document(Json());
  } else {
    session.output.Line("no migration is under way");
  }
  return kExitDone;
}

int List(AdminClient& admin, Session& session) {
  const Result<v1::ListMigrationsResponse> list = admin.ListMigrations(0);
  if (!list.ok()) return session.output.Fail(list.status());
  if (session.output.json()) {
    Json document;
    document["migrations"] = Json::array();
    for (const v1::MigrationStatus& migration : list->migrations()) {
      document["migrations"].push_back(MigrationJson(migration));
    }
    session.output.Document(document);
  } else {
    PrintMigrations(*list, session.output);
  }
  return kExitDone;
}

}  // namespace

int RunChange(const ChangeArgs& args, Session& session) {
  Result<std::unique_ptr<AdminClient>> admin = session.ConnectAdmin();
  if (!admin.ok()) return session.output.Fail(admin.status());
  v1::StartChangeRequest request;
  *request.mutable_change() = args.request;
  request.set_force(args.force);
  const Result<v1::StartChangeResponse> started = (*admin)->StartChange(request);
  if (!started.ok()) return session.output.Fail(started.status());
  const Result<v1::MigrationStatus> migration =
      args.wait ? WaitForEnd(**admin, started->migration()) : Look(**admin, started->migration());
  if (!migration.ok()) return session.output.Fail(migration.status());
  PrintOne(*migration, session);
  if (!args.wait && !session.output.json() && !IsOver(*migration)) {
    session.output.Line("to follow it: kvctl admin migrations watch");
  }
  // It was waited for, and somebody else has called it back.
  return migration->record().state() == v1::MIGRATION_STATE_ABORTED ? kExitNo : kExitDone;
}

int RunMigrations(const MigrationsArgs& args, Session& session) {
  Result<std::unique_ptr<AdminClient>> admin = session.ConnectAdmin();
  if (!admin.ok()) return session.output.Fail(admin.status());
  v1::OrderMigrationRequest order;
  order.set_id(args.id);
  switch (args.verb) {
    case MigrationsArgs::Verb::kList:
      return List(**admin, session);
    case MigrationsArgs::Verb::kWatch:
      return Watch(**admin, session);
    case MigrationsArgs::Verb::kShow:
      break;
    case MigrationsArgs::Verb::kPause:
      order.set_order(v1::MIGRATION_ORDER_PAUSE);
      break;
    case MigrationsArgs::Verb::kResume:
      order.set_order(v1::MIGRATION_ORDER_RESUME);
      break;
    case MigrationsArgs::Verb::kAbort:
      order.set_order(v1::MIGRATION_ORDER_ABORT);
      break;
  }
  if (args.verb != MigrationsArgs::Verb::kShow) {
    const Result<v1::OrderMigrationResponse> ordered = (*admin)->OrderMigration(order);
    if (!ordered.ok()) return session.output.Fail(ordered.status());
  }
  const Result<v1::MigrationStatus> migration = Look(**admin, args.id);
  return migration.ok() ? PrintOne(*migration, session) : session.output.Fail(migration.status());
}

}  // namespace ringkv
