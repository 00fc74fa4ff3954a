#include "tests/architecture/include_rules.h"

#include <algorithm>
#include <map>
#include <set>
#include <span>

namespace ringkv {
namespace {

using Folders = std::set<std::string, std::less<>>;

// A folder may always include itself.
const std::map<std::string, Folders, std::less<>>& MayInclude() {
  static const std::map<std::string, Folders, std::less<>> table = {
      {"base", {}},
      {"proto", {}},
      {"net", {"base", "proto"}},
      {"ring", {"base", "proto"}},
      {"migration", {"base", "ring", "proto"}},
      {"kvnode", {"base", "net", "ring", "migration", "proto"}},
      {"router", {"base", "net", "ring", "migration", "proto"}},
      {"client", {"base", "net", "ring", "proto"}},
  };
  return table;
}

// What base may use beyond the standard library and the system.
constexpr std::string_view kBaseLibraries[] = {"spdlog/", "fmt/",        "yaml-cpp/",
                                               "CLI/",    "prometheus/", "xxhash.h"};
// Directories of the system's own headers.
constexpr std::string_view kSystemDirectories[] = {"sys/", "arpa/", "netinet/", "linux/"};
// Headers without a directory that are neither the standard library's nor the system's.
constexpr std::string_view kForeignHeaders[] = {"httplib.h", "zlib.h", "zstd.h", "lz4.h",
                                                "snappy.h"};

// What a state machine that runs in a simulation must not touch.
constexpr std::string_view kImpureHeaders[] = {
    "thread",      "mutex",     "shared_mutex", "condition_variable",
    "future",      "semaphore", "stop_token",   "poll.h",
    "pthread.h",   "unistd.h",  "sys/socket.h", "sys/un.h",
    "sys/epoll.h", "netdb.h",   "httplib.h",    "grpc",
    "grpcpp/",     "rocksdb/",  "netinet/",     "arpa/"};
constexpr std::string_view kImpureCalls[] = {"sleep_for",  "sleep_until",  "usleep(",
                                             "nanosleep(", "system_clock", "steady_clock"};

bool StartsWithAny(std::string_view text, std::span<const std::string_view> prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](std::string_view prefix) { return text.starts_with(prefix); });
}

bool IsAny(std::string_view text, std::span<const std::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

std::string_view FolderOf(std::string_view path) { return path.substr(0, path.find('/')); }

std::string_view NameOf(std::string_view path) {
  size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

bool IsPureCore(std::string_view path) {
  constexpr std::string_view kPure[] = {"router/sequencer", "router/shard.", "kvnode/replica.",
                                        "kvnode/replica_sync", "migration/"};
  return StartsWithAny(path, kPure);
}

struct Include {
  std::string_view target;
  bool quoted = false;
};

// The target of an #include line, or an empty one.
Include ParseInclude(std::string_view line) {
  auto skip_spaces = [&line] {
    while (line.starts_with(' ') || line.starts_with('\t')) line.remove_prefix(1);
  };
  skip_spaces();
  if (!line.starts_with('#')) return {};
  line.remove_prefix(1);
  skip_spaces();
  if (!line.starts_with("include")) return {};
  line.remove_prefix(std::string_view("include").size());
  skip_spaces();
  if (!line.starts_with('"') && !line.starts_with('<')) return {};
  bool quoted = line.front() == '"';
  size_t end = line.find(quoted ? '"' : '>', 1);
  if (end == std::string_view::npos) return {};
  return {line.substr(1, end - 1), quoted};
}

// The folder of ours that a target belongs to; empty for a library's or the system's.
std::string_view OwnerOf(std::string_view target) {
  if (target.starts_with("ringkv/v1/") || target.ends_with(".pb.h")) {
    return target.starts_with("google/") ? "" : "proto";
  }
  std::string_view folder = FolderOf(target);
  bool ours = folder.size() < target.size() &&
              (MayInclude().contains(folder) || folder == "tests" || folder == "bench");
  return ours ? folder : "";
}

// Why `folder` may not use what belongs to nobody of us; empty if it may.
std::string LibraryProblem(std::string_view folder, std::string_view target) {
  if (folder != "base") return "";
  bool foreign_directory =
      target.find('/') != std::string_view::npos && !StartsWithAny(target, kSystemDirectories);
  if (!foreign_directory && !IsAny(target, kForeignHeaders)) return "";
  if (StartsWithAny(target, kBaseLibraries)) return "";
  return "base may use only the standard library, spdlog, fmt, yaml-cpp, CLI11, prometheus, xxhash";
}

std::string AdapterProblem(std::string_view path, std::string_view target) {
  std::string_view name = NameOf(path);
  bool grpc_named = name.find("grpc") != std::string_view::npos;
  bool grpc = target.starts_with("grpc") || target.ends_with(".grpc.pb.h");
  if (grpc && !grpc_named) return "gRPC belongs into files whose name contains 'grpc'";
  bool rocks_named = name.find("rocks") != std::string_view::npos ||
                     name.find("embedded_metadata") != std::string_view::npos;
  if (target.starts_with("rocksdb/") && !rocks_named) {
    return "RocksDB belongs into files whose name contains 'rocks' or 'embedded_metadata'";
  }
  return "";
}

bool IsImpure(std::string_view target) {
  for (std::string_view header : kImpureHeaders) {
    bool prefix = header.ends_with('/') || header == "grpc";
    if (prefix ? target.starts_with(header) : target == header) return true;
  }
  return target.ends_with(".grpc.pb.h");
}

std::vector<std::string> ProblemsOf(std::string_view path, const Include& include) {
  std::vector<std::string> problems;
  std::string_view folder = FolderOf(path);
  std::string_view owner = OwnerOf(include.target);
  if (!owner.empty()) {
    const Folders& allowed = MayInclude().find(folder)->second;
    if (owner != folder && !allowed.contains(owner)) {
      problems.push_back(std::string(folder) + " may not include " + std::string(owner));
    }
  } else if (include.quoted) {
    problems.push_back("our own headers are included by their path from the root");
  } else if (std::string problem = LibraryProblem(folder, include.target); !problem.empty()) {
    problems.push_back(problem);
  }
  if (std::string problem = AdapterProblem(path, include.target); !problem.empty()) {
    problems.push_back(problem);
  }
  if (IsPureCore(path) && IsImpure(include.target)) {
    problems.push_back("the pure core has no threads, locks, sockets, gRPC or RocksDB");
  }
  return problems;
}

std::string ImpureCallIn(std::string_view line) {
  line = line.substr(0, line.find("//"));
  for (std::string_view call : kImpureCalls) {
    if (line.find(call) != std::string_view::npos) {
      return "the pure core is handed the time and never waits: '" + std::string(call) + "'";
    }
  }
  return "";
}

}  // namespace

std::vector<Violation> CheckIncludes(std::string_view path, std::string_view content) {
  std::vector<Violation> violations;
  if (!MayInclude().contains(FolderOf(path))) return violations;
  int number = 0;
  while (!content.empty()) {
    size_t end = std::min(content.find('\n'), content.size());
    std::string_view line = content.substr(0, end);
    content.remove_prefix(std::min(end + 1, content.size()));
    ++number;
    Include include = ParseInclude(line);
    if (!include.target.empty()) {
      for (const std::string& problem : ProblemsOf(path, include)) {
        violations.push_back({number, std::string(include.target) + ": " + problem});
      }
    } else if (IsPureCore(path)) {
      if (std::string problem = ImpureCallIn(line); !problem.empty()) {
        violations.push_back({number, problem});
      }
    }
  }
  return violations;
}

const std::vector<std::string>& RuledFolders() {
  static const std::vector<std::string> folders = [] {
    std::vector<std::string> names;
    for (const auto& [name, allowed] : MayInclude()) names.push_back(name);
    return names;
  }();
  return folders;
}

}  // namespace ringkv
