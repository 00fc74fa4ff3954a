// The results as a table for people and as JSON for programs. Pure functions; thread-safe.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "bench/ring/results.h"

namespace ringkv::bench {

using Json = nlohmann::ordered_json;

// What was measured, and how to read the tables.
std::string PreambleText(const Results& results);
// All at one number of nodes; about 140 columns wide.
std::string ScaleText(const Scale& scale);
std::string TargetsText(const Results& results);

// Every figure with its least and greatest; units are in the names.
Json ResultsJson(const Results& results);

}  // namespace ringkv::bench
