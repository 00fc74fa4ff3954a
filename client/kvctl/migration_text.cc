#include "client/kvctl/migration_text.h"

#include "client/kvctl/text_table.h"

namespace ringkv {
namespace {

std::string KindName(v1::MigrationKind kind) {
  switch (kind) {
    case v1::MIGRATION_KIND_ADD_NODE:
      return "add-node";
    case v1::MIGRATION_KIND_REMOVE_NODE:
      return "remove-node";
    case v1::MIGRATION_KIND_SET_VNODES:
      return "set-vnodes";
    default:
      return "unknown";
  }
}

std::string StateName(v1::MigrationState state) {
  switch (state) {
    case v1::MIGRATION_STATE_RUNNING:
      return "running";
    case v1::MIGRATION_STATE_PAUSED:
      return "paused";
    case v1::MIGRATION_STATE_ABORTING:
      return "aborting";
    case v1::MIGRATION_STATE_DONE:
      return "done";
    case v1::MIGRATION_STATE_ABORTED:
      return "aborted";
    default:
      return "unknown";
  }
}

std::string Slots(const v1::MigrationStatus& migration) {
  return std::to_string(migration.slots_done()) + " of " +
         std::to_string(migration.record().moves());
}

std::string Eta(const v1::MigrationStatus& migration) {
  if (!migration.eta_known()) return "-";
  return Fixed(static_cast<double>(migration.eta_ms()) / 1000, 0) + "s";
}

}  // namespace

std::string ProgressText(const v1::MigrationStatus& migration) {
  std::string text = KindName(migration.record().kind()) + " " + migration.record().node() + ": " +
                     migration.stage() + ", " + Slots(migration) + " slots";
  if (!migration.waits_for().empty()) text += "; waits: " + migration.waits_for();
  return text;
}

double FractionOf(const v1::MigrationStatus& migration) {
  const uint64_t moves = migration.record().moves();
  if (moves == 0) return 1;
  return static_cast<double>(migration.slots_done()) / static_cast<double>(moves);
}

void PrintMigration(const v1::MigrationStatus& migration, Output& output) {
  const v1::MigrationRecord& record = migration.record();
  output.Line("migration " + std::to_string(record.id()) + "  " + KindName(record.kind()) + " " +
              Safe(record.node()) + ": " + StateName(record.state()));
  output.Line("stage     " + Safe(migration.stage()) + ", " + Slots(migration) + " slots, " +
              std::to_string(migration.slots_moving()) + " on the move");
  output.Line("bytes     about " + ShortBytes(migration.bytes_done()) + " of " +
              ShortBytes(migration.bytes_total()));
  output.Line("rate      " + Fixed(migration.slots_per_second(), 1) + " slots/s over " +
              Fixed(static_cast<double>(migration.took_ms()) / 1000, 1) + "s, to go " +
              Eta(migration));
  if (!migration.waits_for().empty()) output.Line("waits     " + Safe(migration.waits_for()));
}

void PrintMigrations(const v1::ListMigrationsResponse& list, Output& output) {
  if (list.migrations().empty()) return output.Line("no migration yet");
  using A = TextTable::Align;
  TextTable table({{"ID", A::kRight},
                   {"CHANGE"},
                   {"STATE"},
                   {"STAGE"},
                   {"SLOTS"},
                   {"MOVING", A::kRight},
                   {"BYTES (EST.)"},
                   {"TOOK", A::kRight},
                   {"TO GO", A::kRight},
                   {"WAITS FOR"}});
  for (const v1::MigrationStatus& migration : list.migrations()) {
    const v1::MigrationRecord& record = migration.record();
    table.Add({std::to_string(record.id()), KindName(record.kind()) + " " + Safe(record.node()),
               StateName(record.state()), Safe(migration.stage()), Slots(migration),
               std::to_string(migration.slots_moving()),
               ShortBytes(migration.bytes_done()) + " of " + ShortBytes(migration.bytes_total()),
               Fixed(static_cast<double>(migration.took_ms()) / 1000, 1) + "s", Eta(migration),
               OrDash(migration.waits_for())});
  }
  table.Print(output);
}

Json MigrationJson(const v1::MigrationStatus& migration) {
  const v1::MigrationRecord& record = migration.record();
  return Json{{"id", std::to_string(record.id())},
              {"kind", KindName(record.kind())},
              {"node", record.node()},
              {"vnodes", record.vnodes()},
              {"state", StateName(record.state())},
              {"stage", migration.stage()},
              {"force", record.force()},
              {"slots_total", std::to_string(record.moves())},
              {"slots_done", std::to_string(migration.slots_done())},
              {"slots_moving", std::to_string(migration.slots_moving())},
              {"bytes_total", std::to_string(migration.bytes_total())},
              {"bytes_done", std::to_string(migration.bytes_done())},
              {"bytes_are_estimated", true},
              {"slots_per_second", migration.slots_per_second()},
              {"eta_ms", migration.eta_known() ? Json(std::to_string(migration.eta_ms())) : Json()},
              {"started_at", TimeJson(record.started_ms())},
              {"ended_at", TimeJson(record.ended_ms())},
              {"waits_for", migration.waits_for().empty() ? Json() : Json(migration.waits_for())}};
}

}  // namespace ringkv
