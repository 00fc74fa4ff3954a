// LoadConfig against hostile files, flags and variables: it never crashes, an error says something,
// and what it takes is a configuration that, written out, is taken again and means the same.
//
// Input: the file; after a byte 0x01, flags, one a line; after another one, variables, one a line.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/config.h"
#include "base/ids.h"
#include "base/utf8.h"
#include "tests/fuzz/memory_file.h"

namespace {

using ringkv::ConfigSchema;

// One option of each kind.
struct Options {
  std::string id;
  std::string listen = "127.0.0.1:7500";
  std::string zone;
  std::vector<std::string> routers;
  std::vector<std::string> tags;
  std::vector<ringkv::NodeEntry> nodes;
  uint32_t vnodes = 128;
  uint64_t cache = 1 << 20;
  ringkv::Duration timeout = std::chrono::seconds(5);
  bool verify = false;
  std::string level = "info";
};

ConfigSchema SchemaOf(Options* options) {
  ConfigSchema schema("fuzzed", "Takes anything.");
  schema
      .AddString("id", &options->id, "a name",
                 [](const std::string& text) { return ringkv::NodeId::Parse(text).status(); })
      .Required();
  schema.AddAddress("listen", &options->listen, ringkv::PortZero::kAllowed, "an address");
  schema.AddString("zone", &options->zone, "a zone", ringkv::CheckZone);
  schema.AddAddresses("routers", &options->routers, "addresses");
  schema.AddStrings("tags", &options->tags, "texts");
  schema.AddNodes("nodes", &options->nodes, "nodes");
  schema.AddUint("vnodes", &options->vnodes, 1, 4096, "a number");
  schema.AddBytes("cache", &options->cache, 1, 1ull << 40, "bytes");
  schema.AddDuration("timeout", &options->timeout, ringkv::Duration::zero(),
                     std::chrono::hours(1000), "a duration");
  schema.AddBool("verify", &options->verify, "a switch");
  schema.AddOneOf("level", &options->level, {"info", "error"}, "a level");
  return schema;
}

ringkv::Result<ringkv::Config> Load(const std::vector<std::string>& flags,
                                    const std::vector<std::string>& variables) {
  Options options;
  const ConfigSchema schema = SchemaOf(&options);
  std::vector<const char*> argv = {"fuzzed"}, environment;
  for (const std::string& flag : flags) argv.push_back(flag.c_str());
  for (const std::string& variable : variables) environment.push_back(variable.c_str());
  environment.push_back(nullptr);
  return ringkv::LoadConfig(schema, static_cast<int>(argv.size()), argv.data(), environment.data());
}

std::vector<std::string> LinesOf(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t start = 0; start < text.size();) {
    const size_t end = std::min(text.find('\n', start), text.size());
    lines.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  return lines;
}

// The lines of an effective configuration without their origins.
std::string Values(const std::string& effective) {
  std::string values;
  for (const std::string& line : LinesOf(effective))
    values += line.substr(0, line.rfind("  # ")) + "\n";
  return values;
}

void Try(const std::string& file, const std::vector<std::string>& flags,
         const std::vector<std::string>& variables) {
  const ringkv::MemoryFile memory(file);
  std::vector<std::string> all = {"--config=" + memory.path()};
  all.insert(all.end(), flags.begin(), flags.end());
  const auto config = Load(all, variables);
  if (!config.ok()) {
    RINGKV_CHECK(!config.status().message().empty(), "an error says something");
    return;
  }
  if (config->exit.has_value() && config->effective.empty()) return;  // --help, --version
  if (!ringkv::IsUtf8(config->effective)) return;                     // YAML has no way to write it
  const ringkv::MemoryFile written(config->effective);
  const auto again = Load({"--config=" + written.path()}, {});
  RINGKV_CHECK(again.ok(), "what is effective is taken again: " + again.status().message());
  RINGKV_CHECK(Values(again->effective) == Values(config->effective), "and means the same");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  const size_t first = std::min(bytes.find('\x01'), bytes.size());
  const size_t second = std::min(bytes.find('\x01', first + 1), bytes.size());
  const std::string flags = first < bytes.size() ? bytes.substr(first + 1, second - first - 1) : "";
  const std::string variables = second < bytes.size() ? bytes.substr(second + 1) : "";
  Try(bytes.substr(0, first), LinesOf(flags), LinesOf(variables));
  return 0;
}
