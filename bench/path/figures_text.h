// The figures of a case, for people and as JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "bench/path/cases.h"

namespace ringkv::bench {

nlohmann::ordered_json ToJson(const LoadFigures& figures);

// "100 B", "64 KiB".
std::string SizeName(size_t bytes);

// The heading of the rows below; `behind` follows those of throughput and latency.
void PrintHeading(const std::string& behind);
// Throughput and latency, then `behind`, then CPU time of an operation by process; to stdout, at
// once.
void PrintRow(const std::string& what, const LoadFigures& figures, const std::string& behind);

}  // namespace ringkv::bench
