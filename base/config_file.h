// A configuration file in YAML: values by key, before they have a type. Hostile content costs a
// bounded amount of time and memory, and ends in an error that names the line.
#pragma once

#include <map>
#include <string>

#include "base/config_problems.h"
#include "base/config_schema.h"

namespace ringkv {

struct ConfigFileEntry {
  ConfigValue value;
  int line = 0;  // of its key
};
using ConfigFileEntries = std::map<std::string, ConfigFileEntry, std::less<>>;

struct ConfigFile {
  ConfigFileEntries entries;
  bool readable = true;  // false: what it sets is not known
};

ConfigFile ReadConfigFile(const ConfigSchema& schema, const std::string& path,
                          ConfigProblems* problems);

}  // namespace ringkv
