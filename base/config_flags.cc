#include "base/config_flags.h"

#include <optional>
#include <utility>
#include <vector>

#include "base/hex.h"
#include "base/near_miss.h"

namespace ringkv {
namespace {

constexpr std::string_view kConfigKey = "config";

struct Flag {
  std::string name;                  // "--listen"
  std::optional<std::string> value;  // after `=`
};

Flag Split(const std::string& word) {
  const size_t equals = word.find('=');
  if (equals == std::string::npos) return {word, std::nullopt};
  return {word.substr(0, equals), word.substr(equals + 1)};
}

class FlagReader {
 public:
  FlagReader(const ConfigSchema& schema, int argc, const char* const* argv,
             ConfigProblems* problems)
      : schema_(schema), words_(argv + (argc > 0 ? 1 : 0), argv + argc), problems_(*problems) {}

  ConfigFlags Read() {
    while (at_ < words_.size()) ReadOne(words_[at_++]);
    return std::move(flags_);
  }

 private:
  void ReadOne(const std::string& word) {
    if (!word.starts_with('-') || word == "-") {
      return problems_.Add("flags", "'" + Printable(word) + "' belongs to no flag");
    }
    const Flag flag = Split(word);
    if (bool* asked = BuiltIn(flag.name)) {
      *asked = true;
      if (flag.value) problems_.Add("flag " + flag.name, "it takes no value");
      return;
    }
    const bool known = flag.name.starts_with("--");
    const std::string key = known ? flag.name.substr(2) : "";
    if (key == kConfigKey) return ReadConfigFile(flag);
    if (const ConfigSchema::Option* option = schema_.Find(key)) return ReadOption(*option, flag);
    problems_.Add("flag " + Printable(flag.name), "unknown" + DidYouMean(flag.name, Names()));
    // What follows would be its value.
    if (at_ < words_.size() && !words_[at_].starts_with('-')) ++at_;
  }

  bool* BuiltIn(const std::string& name) {
    if (name == "--help" || name == "-h") return &flags_.help;
    if (name == "--version") return &flags_.version;
    if (name == "--check-config") return &flags_.check;
    return nullptr;
  }

  std::optional<std::string> ValueOf(const Flag& flag) {
    if (flag.value) return flag.value;
    if (at_ == words_.size() || words_[at_].starts_with("--")) return std::nullopt;
    return words_[at_++];
  }

  void ReadConfigFile(const Flag& flag) {
    const std::optional<std::string> value = ValueOf(flag);
    if (!value) {
      problems_.Add("flag --config", "its value is missing; it needs a file");
    } else if (std::exchange(config_given_, true)) {
      problems_.Add("flag --config", "given more than once");
    } else if (value->empty()) {
      problems_.Add("flag --config", "its value is empty; it needs a file");
    } else {
      flags_.config_file = *value;
    }
  }

  void ReadOption(const ConfigSchema::Option& option, const Flag& flag) {
    const bool alone = option.is_bool() && !flag.value;
    std::optional<std::string> value = alone ? "true" : ValueOf(flag);
    // `--flag true` of a switch that stands alone otherwise.
    if (alone && at_ < words_.size() && !words_[at_].starts_with('-')) value = words_[at_++];
    if (!value) {
      problems_.Add("flag " + flag.name, "its value is missing; allowed: " + option.allowed());
      flags_.bad.insert(option.key());
      return;
    }
    auto [entry, first] = flags_.values.try_emplace(option.key());
    if (!first && !option.is_list()) {
      if (flags_.bad.insert(option.key()).second) {
        problems_.Add("flag " + flag.name, "given more than once");
      }
      return;
    }
    entry->second.text += (first ? "" : ",") + *value;
  }

  std::vector<std::string> Names() const {
    std::vector<std::string> names = {"--help", "--version", "--check-config", "--config"};
    for (const ConfigSchema::Option& option : schema_.options()) names.push_back(option.flag());
    return names;
  }

  const ConfigSchema& schema_;
  const std::vector<std::string> words_;
  ConfigProblems& problems_;
  size_t at_ = 0;
  bool config_given_ = false;
  ConfigFlags flags_;
};

}  // namespace

ConfigFlags ReadConfigFlags(const ConfigSchema& schema, int argc, const char* const* argv,
                            ConfigProblems* problems) {
  return FlagReader(schema, argc, argv, problems).Read();
}

}  // namespace ringkv
