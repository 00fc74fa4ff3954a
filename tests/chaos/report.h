// report.json and the summary for people (docs/chaos.md describes the fields).
#pragma once

#include <string>

#include "base/status.h"
#include "tests/chaos/run_record.h"

namespace ringkv {

std::string ReportJson(const RunRecord& record);
std::string Summary(const RunRecord& record, const std::string& directory);

}  // namespace ringkv
