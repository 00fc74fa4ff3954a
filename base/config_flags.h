// The flags of a command line: `--key VALUE` or `--key=VALUE`, for each option of a schema, and the
// flags that every program has. Values are taken as they are; a word that begins with `--` is never
// a value unless it is joined by `=`.
#pragma once

#include <map>
#include <set>
#include <string>

#include "base/config_problems.h"
#include "base/config_schema.h"

namespace ringkv {

struct ConfigFlags {
  std::map<std::string, ConfigValue, std::less<>> values;  // by key
  std::set<std::string, std::less<>> bad;                  // keys whose flag is wrong
  std::string config_file;
  bool help = false;
  bool version = false;
  bool check = false;
};

ConfigFlags ReadConfigFlags(const ConfigSchema& schema, int argc, const char* const* argv,
                            ConfigProblems* problems);

}  // namespace ringkv
