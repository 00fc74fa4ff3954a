#include "base/config_schema.h"

#include <algorithm>

#include "base/check.h"
#include "base/hex.h"
#include "base/limits.h"
#include "base/near_miss.h"

namespace ringkv {
namespace {

constexpr std::string_view kReservedKeys[] = {"config", "check-config", "help", "version"};
constexpr std::string_view kNodeFields = "id, address, zone and vnodes";

bool IsKebabCase(std::string_view key) {
  return !key.empty() && key.front() != '-' && key.back() != '-' &&
         std::all_of(key.begin(), key.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
         });
}

std::string_view KindName(ConfigValue::Kind kind) {
  switch (kind) {
    case ConfigValue::Kind::kNothing:
      return "nothing";
    case ConfigValue::Kind::kText:
      return "a single value";
    case ConfigValue::Kind::kList:
      return "a list";
    case ConfigValue::Kind::kMap:
      return "a map";
  }
  return "something else";
}

Status WrongKind(std::string_view wanted, ConfigValue::Kind given) {
  return Status::InvalidArgument("it needs " + std::string(wanted) + ", and this is " +
                                 std::string(KindName(given)));
}

// A setter for values that are one piece of text.
std::function<ConfigProblem(const ConfigValue&)> FromText(
    std::function<Status(const std::string&)> set) {
  return [set = std::move(set)](const ConfigValue& value) -> ConfigProblem {
    if (value.kind != ConfigValue::Kind::kText) return {WrongKind("a single value", value.kind)};
    return {set(value.text)};
  };
}

// Plain where YAML reads it back as the same text, else in double quotes.
std::string YamlText(std::string_view text) {
  auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '/' || c == '_' || c == '-' || c == ':';
  };
  bool plain = !text.empty() && text.front() != '-' && text.front() != ':' && text.back() != ':' &&
               std::all_of(text.begin(), text.end(), is_plain) && text != "null" &&
               text != "Null" && text != "NULL";
  if (plain) return std::string(text);
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += "\\x" + Hex(std::string_view(&c, 1));
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string YamlList(const std::vector<std::string>& items) {
  std::string out = "[";
  for (const std::string& item : items) {
    if (out.size() > 1) out += ", ";
    out += YamlText(item);
  }
  return out + "]";
}

std::string YamlNodes(const std::vector<NodeEntry>& nodes) {
  if (nodes.empty()) return "[]";
  std::string out;
  for (const NodeEntry& node : nodes) {
    out += "\n  - {id: " + YamlText(node.id.value()) + ", address: " + YamlText(node.address);
    if (!node.zone.empty()) out += ", zone: " + YamlText(node.zone);
    out += ", vnodes: " + std::to_string(node.vnodes) + "}";
  }
  return out;
}

Status SetNodeField(const std::string& name, const std::string& text, NodeEntry* entry) {
  if (name == "id") {
    Result<NodeId> id = NodeId::Parse(text);
    if (id.ok()) entry->id = *id;
    return id.status();
  }
  if (name == "address") {
    entry->address = text;
    return CheckAddress(text);
  }
  if (name == "zone") {
    entry->zone = text;
    return text.empty() ? Status::Ok() : CheckZone(text);
  }
  if (name == "vnodes") {
    Result<uint64_t> number = ParseUint(text);
    if (number.ok() && *number >= 1 && *number <= kMaxVnodes) {
      entry->vnodes = static_cast<uint32_t>(*number);
      return Status::Ok();
    }
    return Status::InvalidArgument("'" + Printable(text) + "' is not a whole number from 1 to " +
                                   std::to_string(kMaxVnodes));
  }
  static const std::vector<std::string> known = {"id", "address", "zone", "vnodes"};
  return Status::InvalidArgument("unknown; a node has " + std::string(kNodeFields) +
                                 DidYouMean(name, known));
}

ConfigProblem ReadNodeMap(const ConfigValue& map, NodeEntry* entry) {
  std::vector<std::string_view> seen;
  for (const auto& [name, field] : map.fields) {
    std::string where = "'" + Printable(name) + "' of a node";
    if (std::find(seen.begin(), seen.end(), name) != seen.end()) {
      return {Status::InvalidArgument(where + " is given twice"), field.line};
    }
    seen.push_back(name);
    Status status = field.kind == ConfigValue::Kind::kText
                        ? SetNodeField(name, field.text, entry)
                        : WrongKind("a single value", field.kind);
    if (!status.ok()) return {status.Annotate(where), field.line};
  }
  if (entry->id.empty()) return {Status::InvalidArgument("a node has no id"), map.line};
  if (entry->address.empty()) {
    return {Status::InvalidArgument("node '" + entry->id.value() + "' has no address"), map.line};
  }
  return {};
}

ConfigProblem ReadNodeText(const std::string& text, int line, NodeEntry* entry) {
  Result<NodeEntry> parsed = ParseNodeEntry(text);
  if (!parsed.ok()) return {parsed.status(), line};
  *entry = std::move(parsed).value();
  return {};
}

ConfigProblem ReadNodes(const ConfigValue& value, std::vector<NodeEntry>* nodes) {
  std::vector<NodeEntry> read;
  if (value.kind == ConfigValue::Kind::kText) {
    for (const std::string& part : SplitList(value.text)) {
      ConfigProblem problem = ReadNodeText(part, value.line, &read.emplace_back());
      if (!problem.status.ok()) return problem;
    }
  } else if (value.kind == ConfigValue::Kind::kList) {
    for (const ConfigValue& item : value.items) {
      ConfigProblem problem;
      if (item.kind == ConfigValue::Kind::kMap) {
        problem = ReadNodeMap(item, &read.emplace_back());
      } else if (item.kind == ConfigValue::Kind::kText) {
        problem = ReadNodeText(item.text, item.line, &read.emplace_back());
      } else {
        problem = {WrongKind("a node as a map", item.kind), item.line};
      }
      if (!problem.status.ok()) return problem;
    }
  } else {
    return {WrongKind("a list of nodes", value.kind)};
  }
  if (Status status = CheckDistinct(read); !status.ok()) return {status};
  *nodes = std::move(read);
  return {};
}

}  // namespace

std::string ConfigSchema::Option::environment_name() const {
  std::string name = "RINGKV_";
  for (char c : key_) {
    name += c == '-' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  }
  return name;
}

ConfigSchema::ConfigSchema(std::string program, std::string about)
    : program_(std::move(program)), about_(std::move(about)) {}

ConfigSchema::Option& ConfigSchema::Add(std::string key, std::string help, std::string allowed,
                                        std::function<ConfigProblem(const ConfigValue&)> set,
                                        std::function<std::string()> yaml) {
  RINGKV_CHECK(IsKebabCase(key), "'" + key + "' is not kebab-case");
  RINGKV_CHECK(Find(key) == nullptr, "option '" + key + "' is added twice");
  RINGKV_CHECK(
      std::find(std::begin(kReservedKeys), std::end(kReservedKeys), key) == std::end(kReservedKeys),
      "option '" + key + "' is built in");
  Option& option = options_.emplace_back();
  option.key_ = std::move(key);
  option.help_ = std::move(help);
  option.allowed_ = std::move(allowed);
  option.set_ = std::move(set);
  option.yaml_ = std::move(yaml);
  return option;
}

ConfigSchema::Option& ConfigSchema::AddString(std::string key, std::string* field, std::string help,
                                              std::function<Status(const std::string&)> check,
                                              std::string allowed) {
  // Where "none" is the default, it can also be said.
  bool may_be_empty = field->empty();
  auto set = [=](const std::string& text) {
    bool none = text.empty() && may_be_empty;
    if (check && !none) RINGKV_RETURN_IF_ERROR(check(text));
    *field = text;
    return Status::Ok();
  };
  return Add(std::move(key), std::move(help), std::move(allowed), FromText(set),
             [field] { return YamlText(*field); });
}

ConfigSchema::Option& ConfigSchema::AddAddress(std::string key, std::string* field,
                                               PortZero port_zero, std::string help) {
  auto check = [port_zero](const std::string& text) {
    return ParseAddress(text, port_zero).status();
  };
  return AddString(std::move(key), field, std::move(help), check, "host:port");
}

ConfigSchema::Option& ConfigSchema::AddNumber(std::string key, SetNumber set, GetNumber get,
                                              uint64_t min, uint64_t max, std::string help) {
  std::string allowed = "a whole number from " + std::to_string(min) + " to " + std::to_string(max);
  auto set_text = [=](const std::string& text) {
    Result<uint64_t> number = ParseUint(text);
    RINGKV_RETURN_IF_ERROR(number.status());
    if (*number < min || *number > max) return Status::InvalidArgument(text + " is out of range");
    set(*number);
    return Status::Ok();
  };
  return Add(std::move(key), std::move(help), std::move(allowed), FromText(set_text),
             [get] { return std::to_string(get()); });
}

ConfigSchema::Option& ConfigSchema::AddByteSize(std::string key, SetNumber set, GetNumber get,
                                                uint64_t min, uint64_t max, std::string help) {
  std::string allowed = "bytes from " + FormatBytes(min) + " to " + FormatBytes(max);
  auto set_text = [=](const std::string& text) {
    Result<uint64_t> number = ParseBytes(text);
    RINGKV_RETURN_IF_ERROR(number.status());
    if (*number < min || *number > max) return Status::InvalidArgument(text + " is out of range");
    set(*number);
    return Status::Ok();
  };
  return Add(std::move(key), std::move(help), std::move(allowed), FromText(set_text),
             [get] { return FormatBytes(get()); });
}

ConfigSchema::Option& ConfigSchema::AddDuration(std::string key, Duration* field, Duration min,
                                                Duration max, std::string help) {
  std::string allowed = "a duration from " + FormatDuration(min) + " to " + FormatDuration(max);
  auto set_text = [=](const std::string& text) {
    Result<Duration> duration = ParseDuration(text);
    RINGKV_RETURN_IF_ERROR(duration.status());
    if (*duration < min || *duration > max) {
      return Status::InvalidArgument(text + " is out of range");
    }
    *field = *duration;
    return Status::Ok();
  };
  return Add(std::move(key), std::move(help), std::move(allowed), FromText(set_text),
             [field] { return FormatDuration(*field); });
}

ConfigSchema::Option& ConfigSchema::AddBool(std::string key, bool* field, std::string help) {
  auto set_text = [=](const std::string& text) {
    Result<bool> value = ParseBool(text);
    if (value.ok()) *field = *value;
    return value.status();
  };
  Option& option = Add(std::move(key), std::move(help), "true or false", FromText(set_text),
                       [field] { return *field ? "true" : "false"; });
  option.is_bool_ = true;
  return option;
}

ConfigSchema::Option& ConfigSchema::AddOneOf(std::string key, std::string* field,
                                             std::vector<std::string> choices, std::string help) {
  std::string allowed;
  for (const std::string& choice : choices) allowed += (allowed.empty() ? "" : ", ") + choice;
  auto set_text = [=](const std::string& text) {
    if (std::find(choices.begin(), choices.end(), text) == choices.end()) {
      return Status::InvalidArgument("'" + Printable(text) + "' is none of the choices" +
                                     DidYouMean(text, choices));
    }
    *field = text;
    return Status::Ok();
  };
  return Add(std::move(key), std::move(help), "one of " + allowed, FromText(set_text),
             [field] { return YamlText(*field); });
}

ConfigSchema::Option& ConfigSchema::AddList(std::string key, std::vector<std::string>* field,
                                            std::string help, std::string allowed,
                                            std::function<Status(const std::string&)> check) {
  auto set = [=](const ConfigValue& value) -> ConfigProblem {
    std::vector<std::string> items;
    if (value.kind == ConfigValue::Kind::kText) {
      items = SplitList(value.text);
    } else if (value.kind == ConfigValue::Kind::kList) {
      for (const ConfigValue& item : value.items) {
        if (item.kind != ConfigValue::Kind::kText) {
          return {WrongKind("single values in its list", item.kind), item.line};
        }
        items.push_back(item.text);
        if (Status status = check(item.text); !status.ok()) return {status, item.line};
      }
    } else {
      return {WrongKind("a list", value.kind)};
    }
    for (const std::string& item : items) {
      if (Status status = check(item); !status.ok()) return {status};
    }
    *field = std::move(items);
    return {};
  };
  Option& option = Add(std::move(key), std::move(help), std::move(allowed), set,
                       [field] { return YamlList(*field); });
  option.is_list_ = true;
  return option;
}

ConfigSchema::Option& ConfigSchema::AddStrings(std::string key, std::vector<std::string>* field,
                                               std::string help) {
  auto not_empty = [](const std::string& item) {
    return item.empty() ? Status::InvalidArgument("an entry is empty") : Status::Ok();
  };
  return AddList(std::move(key), field, std::move(help), "a list of texts", not_empty);
}

ConfigSchema::Option& ConfigSchema::AddAddresses(std::string key, std::vector<std::string>* field,
                                                 std::string help) {
  auto check = [](const std::string& item) { return CheckAddress(item); };
  return AddList(std::move(key), field, std::move(help), "a list of host:port", check);
}

ConfigSchema::Option& ConfigSchema::AddNodes(std::string key, std::vector<NodeEntry>* field,
                                             std::string help) {
  Option& option = Add(
      std::move(key), std::move(help),
      "a list of nodes, in a file {id, address, zone, vnodes}, else "
      "id=host:port[@zone][*vnodes],...",
      [field](const ConfigValue& value) { return ReadNodes(value, field); },
      [field] { return YamlNodes(*field); });
  option.is_list_ = true;
  return option;
}

bool ConfigSchema::IgnoresEnvironment(std::string_view name) const {
  return name == "RINGKV_ROUTER" || name.starts_with("RINGKV_TEST_") ||
         std::find(ignored_environment_.begin(), ignored_environment_.end(), name) !=
             ignored_environment_.end();
}

const ConfigSchema::Option* ConfigSchema::Find(std::string_view key) const {
  auto found = std::find_if(options_.begin(), options_.end(),
                            [&](const Option& option) { return option.key() == key; });
  return found == options_.end() ? nullptr : &*found;
}

std::string ConfigSchema::Help() const {
  std::string out = program_ + ": " + about_ + "\n\nUsage: " + program_ +
                    " [--KEY VALUE]...\n\nEach value comes from its flag, else its environment "
                    "variable, else the file, else its default.\n\n";
  out +=
      "  --config FILE.yaml\n      File with the same keys, without the dashes in front "
      "(RINGKV_CONFIG).\n"
      "  --check-config\n      Validate, print every value and where it comes from, and exit.\n"
      "  --help, --version\n      Print and exit.\n";
  for (const Option& option : options_) {
    std::string yaml = option.Yaml();
    bool none = yaml == "\"\"" || yaml == "[]";
    out += "  " + option.flag() + "\n      " + option.help() + "\n      " + option.allowed() + "; ";
    out += option.required() ? "required" : "default " + (none ? "none" : yaml);
    out += "; " + option.environment_name() + "\n";
  }
  return out;
}

}  // namespace ringkv
