// Migrations as kvctl prints them. Plain functions.
#pragma once

#include <string>

#include "client/kvctl/output.h"
#include "ringkv/v1/admin.pb.h"

namespace ringkv {

// One line, such as "add-node n4: moving, 120 of 1024 slots".
std::string ProgressText(const v1::MigrationStatus& migration);
// 0 to 1.
double FractionOf(const v1::MigrationStatus& migration);

void PrintMigration(const v1::MigrationStatus& migration, Output& output);
void PrintMigrations(const v1::ListMigrationsResponse& list, Output& output);
Json MigrationJson(const v1::MigrationStatus& migration);

}  // namespace ringkv
