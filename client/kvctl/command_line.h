// kvctl's command line, as values: what was asked for, with every argument checked and no trace of
// how it was written.
//
// ParseCommandLine never sends anything and throws nothing. KEY and VALUE are taken byte for byte;
// what starts with `-` and is no negative number goes after `--`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/status.h"
#include "client/kvctl/output.h"
#include "ringkv/v1/admin.pb.h"

namespace ringkv {

struct PutArgs {
  std::string key;
  std::optional<std::string> value;  // absent: in `file`
  std::string file;                  // "-": stdin
  uint64_t ttl_ms = 0;
  bool if_absent = false;
  std::optional<Version> if_version;
};
struct GetArgs {
  std::string key;
};
struct DelArgs {
  std::vector<std::string> keys;
  std::optional<Version> if_version;
};
struct IncrArgs {
  std::string key;
  int64_t delta = 1;
};
struct ScanArgs {
  std::string prefix;
  uint64_t limit = 0;
  bool keys_only = false;
};
struct ImportArgs {
  std::string file;  // "-": stdin
  uint64_t resume_from = 1;
};
struct ExportArgs {
  std::string file;  // "-": stdout
};
struct BenchArgs {
  std::string workload = "a";  // a to f, put, get
  uint64_t keys = 10'000;
  uint64_t value_size = 1'000;
  uint64_t clients = 16;
  double seconds = 10;
  double rate = 0;  // operations a second in all; 0: as fast as they come back
  bool load = true;
};
struct StatusArgs {};
struct RingArgs {};
struct LocateArgs {
  std::string key;
};
struct CheckArgs {
  bool all = false;  // every finding as text, however many
};
struct PlanArgs {
  v1::PlanChangeRequest request;
  bool all = false;  // every line of text, however many
};

struct ChangeArgs {
  v1::PlanChangeRequest request;  // add_node, remove_node or set_vnodes
  bool force = false;
  bool wait = false;  // until the migration is over
};
struct MigrationsArgs {
  enum class Verb { kList, kShow, kWatch, kPause, kResume, kAbort };
  Verb verb = Verb::kList;
  uint64_t id = 0;  // kShow, kPause, kResume, kAbort
};
struct AcceptLossArgs {
  std::vector<uint32_t> slots;
  bool all = false;
  bool yes = false;  // do not ask
};

using CommandArgs = std::variant<PutArgs, GetArgs, DelArgs, IncrArgs, ScanArgs, ImportArgs,
                                 ExportArgs, BenchArgs, StatusArgs, RingArgs, LocateArgs, CheckArgs,
                                 PlanArgs, ChangeArgs, MigrationsArgs, AcceptLossArgs>;

struct Globals {
  std::vector<std::string> routers = {"127.0.0.1:7400"};
  Duration timeout = std::chrono::seconds(5);
  bool timeout_given = false;
  OutputFormat format = OutputFormat::kText;
};

// What to do: run `command`, or print `text` and end with `code`.
struct Invocation {
  Globals globals;
  std::optional<CommandArgs> command;
  std::string text;
  int code = 0;
};

// InvalidArgument: wrong usage. `environment` as `environ`.
Result<Invocation> ParseCommandLine(int argc, const char* const* argv,
                                    const char* const* environment);

// The format that was asked for, also where the rest of the command line is wrong.
OutputFormat FormatOf(int argc, const char* const* argv);

}  // namespace ringkv
