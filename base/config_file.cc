#include "base/config_file.h"

#include <fcntl.h>
#include <unistd.h>
#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <cerrno>
#include <cstring>
#include <sstream>
#include <utility>
#include <vector>

#include "base/config.h"
#include "base/hex.h"
#include "base/near_miss.h"
#include "base/utf8.h"

namespace ringkv {
namespace {

Result<std::string> ReadWholeFile(const std::string& path) {
  auto failed = [&](std::string_view why) {
    return Status::InvalidArgument("cannot read the configuration file: " + std::string(why));
  };
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return failed(std::strerror(errno));
  std::string text;
  char buffer[16384];
  ssize_t n = 0;
  int error = 0;
  while (text.size() <= kMaxConfigFileBytes) {
    n = ::read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    text.append(buffer, static_cast<size_t>(n));
  }
  if (n < 0) error = errno;
  ::close(fd);
  if (error == EISDIR) return failed("it is a directory");
  if (error != 0) return failed(std::strerror(error));
  if (text.size() > kMaxConfigFileBytes) return failed("it is larger than 1MiB");
  if (text.find('\0') != std::string::npos) return failed("it is not a text file");
  // The parser would put other characters in the place of what it does not understand.
  if (!IsUtf8(text)) return failed("it is not UTF-8 text");
  return text;
}

int LineOf(const YAML::Mark& mark) { return mark.line + 1; }

// Hears where documents begin, and nothing else.
class DocumentStarts final : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark& mark) override { last_line = LineOf(mark); }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}

  int last_line = 0;
};

// The line where something follows the first document, or 0. YAML::Load says nothing of it, and
// YAML::LoadAll never ends on a stray line that starts with '%'.
int LineAfterFirstDocument(const std::string& text) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  DocumentStarts starts;
  if (!parser.HandleNextDocument(starts) || !parser) return 0;
  parser.HandleNextDocument(starts);
  return starts.last_line;
}

// Bounds what a file can make us do: anchors and aliases can make a small file huge, or endless.
constexpr int kMaxDepth = 4;
constexpr int kMaxValues = 100'000;

constexpr char kTooMuch[] = "nested too deeply, or too much";

struct TooMuch {
  int line;
};

ConfigValue FromYaml(const YAML::Node& node, int depth, int* budget) {
  ConfigValue value;
  value.line = LineOf(node.Mark());
  if (depth > kMaxDepth || --*budget < 0) throw TooMuch{value.line};
  switch (node.Type()) {
    case YAML::NodeType::Scalar:
      value.text = node.Scalar();
      break;
    case YAML::NodeType::Sequence:
      value.kind = ConfigValue::Kind::kList;
      for (const YAML::Node& item : node) value.items.push_back(FromYaml(item, depth + 1, budget));
      break;
    case YAML::NodeType::Map:
      value.kind = ConfigValue::Kind::kMap;
      for (const auto& pair : node) {
        const YAML::Node& key = pair.first;
        const YAML::Node& field = pair.second;
        std::string name = key.IsScalar() ? key.Scalar() : "?";
        value.fields.push_back({std::move(name), FromYaml(field, depth + 1, budget)});
        // A field without a value has no place of its own.
        if (field.IsNull()) value.fields.back().value.line = LineOf(key.Mark());
      }
      break;
    default:
      value.kind = ConfigValue::Kind::kNothing;
  }
  return value;
}

void ReadTopLevel(const ConfigSchema& schema, const std::string& path, const YAML::Node& root,
                  ConfigFileEntries* entries, ConfigProblems* problems) {
  std::vector<std::string> known;
  for (const ConfigSchema::Option& option : schema.options()) known.push_back(option.key());
  int budget = kMaxValues;
  for (const auto& pair : root) {
    const YAML::Node& key = pair.first;
    int line = LineOf(key.Mark());
    std::string where = path + ":" + std::to_string(line);
    if (!key.IsScalar()) {
      problems->Add(where, "a key has to be a single word");
      continue;
    }
    const std::string& name = key.Scalar();
    std::string shown = "'" + Printable(name) + "'";
    if (schema.Find(name) == nullptr) {
      problems->Add(where, "unknown key " + shown + DidYouMean(name, known));
      continue;
    }
    ConfigValue value = FromYaml(pair.second, 1, &budget);
    auto [entry, fresh] = entries->try_emplace(name);
    if (!fresh) {
      problems->Add(where, "key " + shown + " is given twice, first in line " +
                               std::to_string(entry->second.line));
      continue;
    }
    entry->second = {std::move(value), line};
  }
}

}  // namespace

ConfigFile ReadConfigFile(const ConfigSchema& schema, const std::string& path,
                          ConfigProblems* problems) {
  ConfigFile file;
  const auto fail = [&](const std::string& where, const std::string& what) {
    problems->Add(where, what);
    file.readable = false;
  };
  Result<std::string> text = ReadWholeFile(path);
  if (!text.ok()) return fail(path, text.status().message()), file;
  auto at = [&](int line) { return path + ":" + std::to_string(line); };
  try {
    if (int line = LineAfterFirstDocument(*text); line != 0) {
      return fail(at(line), "a second YAML document begins; one is allowed"), file;
    }
    YAML::Node root = YAML::Load(*text);
    if (root.IsMap()) {
      ReadTopLevel(schema, path, root, &file.entries, problems);
    } else if (!root.IsNull()) {  // an empty file, or one of comments, sets nothing
      fail(at(LineOf(root.Mark())), "it needs lines of 'key: value'");
    }
  } catch (const YAML::DeepRecursion& error) {
    fail(at(LineOf(error.mark)), kTooMuch);
  } catch (const YAML::Exception& error) {
    int line = error.mark.is_null() ? 1 : LineOf(error.mark);
    fail(at(line), "not valid YAML: " + error.msg);
  } catch (const TooMuch& too_much) {
    fail(at(too_much.line), kTooMuch);
  } catch (const std::exception& error) {
    fail(path, std::string("not valid YAML: ") + error.what());
  }
  return file;
}

}  // namespace ringkv
