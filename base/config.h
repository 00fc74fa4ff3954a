// Loads the configuration of a process. For each option of the schema: the flag `--key value`, else
// the variable RINGKV_KEY, else the file that `--config` (or RINGKV_CONFIG) names, else the
// default.
//
// Guarantees: an unknown key, flag or RINGKV_ variable, a key given twice, a value that does not
// fit and a required option without a value are errors; all that are found are reported together,
// one a line, with file and line (or flag, or variable), what is allowed, and a near miss if there
// is one. After an error, fields may hold some of the values read. No exception leaves this module.
// Thread-compatible; call it once, before there are threads.
//
// Beyond the schema's options every program takes --help, --version, --config FILE, --check-config.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/config_schema.h"
#include "base/status.h"

namespace ringkv {

// The project's version, such as "0.1.0".
std::string_view VersionText();

// "Print this to stdout and exit with this code": what --help, --version and --check-config ask
// for.
struct ConfigExit {
  std::string text;
  int code = 0;
};

// Where one value came from.
struct ConfigOrigin {
  std::string key;
  std::string origin;  // `default`, `file x.yaml:12`, `env RINGKV_X`, `flag --x`
};

struct Config {
  std::optional<ConfigExit> exit;     // set: do as it says and nothing else
  std::vector<ConfigOrigin> origins;  // of every option, in the schema's order
  std::string file;                   // as given; empty without one

  // The effective configuration as YAML that `--config` reads back, each value with its origin in a
  // comment.
  std::string effective;

  // `default` and so on; empty for a key that the schema does not have.
  std::string_view OriginOf(std::string_view key) const;
};

// `argv[0]` is the program; `environment` ends in a null, like `environ` (null: empty). Fills the
// fields that the schema is bound to. InvalidArgument: exit with code 2.
Result<Config> LoadConfig(const ConfigSchema& schema, int argc, const char* const* argv,
                          const char* const* environment);

// Files larger than this are refused.
inline constexpr size_t kMaxConfigFileBytes = 1 << 20;

}  // namespace ringkv
