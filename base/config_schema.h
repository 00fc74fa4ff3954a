// What a program can be told: its options, each with a kebab-case key, a help text, a type with its
// bounds, and a field of the program's own struct. The field's value at the time of `Add…` is the
// default; `LoadConfig` (base/config.h) overwrites it.
//
// Ownership: fields are borrowed and must outlive the last `LoadConfig`. A reference that `Add…`
// returns is good for as long as the schema. A key given twice, or one that is not kebab-case, is a
// defect of the program and ends it. Thread-compatible.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/address.h"
#include "base/clock.h"
#include "base/config_values.h"
#include "base/status.h"

namespace ringkv {

struct ConfigField;

// A value as some source wrote it, before it has a type. `line` is 0 where there are no lines.
struct ConfigValue {
  enum class Kind { kNothing, kText, kList, kMap };
  Kind kind = Kind::kText;
  std::string text;                 // kText
  std::vector<ConfigValue> items;   // kList
  std::vector<ConfigField> fields;  // kMap, in the order of the source
  int line = 0;
};

struct ConfigField {
  std::string name;
  ConfigValue value;
};

// What is wrong with a value, and where in the file (0: where the value itself is).
struct ConfigProblem {
  Status status;
  int line = 0;
};

// Two options that do not go together, or a value that only another one makes wrong: which, and
// why.
struct ConfigConflict {
  std::string key;
  Status status;  // ok: there is none
};

class ConfigSchema {
 public:
  // Judges the fields once every source was read and each value is good by itself.
  using Check = std::function<ConfigConflict()>;

  class Option {
   public:
    // Some source must give a value; there is no default.
    Option& Required() { return required_ = true, *this; }

    const std::string& key() const { return key_; }
    const std::string& help() const { return help_; }
    const std::string& allowed() const { return allowed_; }  // "a whole number from 1 to 7"
    bool required() const { return required_; }
    bool is_bool() const { return is_bool_; }  // its flag may stand without a value
    bool is_list() const { return is_list_; }  // its flag may be given several times

    // Reads `value` into the field; leaves the field alone and says why if it is bad.
    ConfigProblem Set(const ConfigValue& value) const { return set_(value); }

    // The field's present value as YAML: the rest of a line after "key:", or for a list of nodes
    // the lines below it.
    std::string Yaml() const { return yaml_(); }

    std::string flag() const { return "--" + key_; }
    std::string environment_name() const;  // RINGKV_DATA_DIR

   private:
    friend class ConfigSchema;
    std::string key_;
    std::string help_;
    std::string allowed_;
    bool required_ = false;
    bool is_bool_ = false;
    bool is_list_ = false;
    std::function<ConfigProblem(const ConfigValue&)> set_;
    std::function<std::string()> yaml_;
  };

  // `program` is the binary's name, `about` one sentence for --help.
  ConfigSchema(std::string program, std::string about);

  // Any text; `check`, if given, judges it (for example NodeId::Parse), and `allowed` describes it.
  Option& AddString(std::string key, std::string* field, std::string help,
                    std::function<Status(const std::string&)> check = nullptr,
                    std::string allowed = "text");
  Option& AddAddress(std::string key, std::string* field, PortZero port_zero, std::string help);

  // A whole number. Bounds are included.
  template <std::unsigned_integral T>
  Option& AddUint(std::string key, T* field, uint64_t min, uint64_t max, std::string help) {
    return AddNumber(std::move(key), Setter(field), Getter(field), min, Fitting<T>(max),
                     std::move(help));
  }
  // A number of bytes, such as 64MiB.
  template <std::unsigned_integral T>
  Option& AddBytes(std::string key, T* field, uint64_t min, uint64_t max, std::string help) {
    return AddByteSize(std::move(key), Setter(field), Getter(field), min, Fitting<T>(max),
                       std::move(help));
  }
  Option& AddDuration(std::string key, Duration* field, Duration min, Duration max,
                      std::string help);
  Option& AddBool(std::string key, bool* field, std::string help);
  Option& AddOneOf(std::string key, std::string* field, std::vector<std::string> choices,
                   std::string help);
  Option& AddStrings(std::string key, std::vector<std::string>* field, std::string help);
  Option& AddAddresses(std::string key, std::vector<std::string>* field, std::string help);
  // In a file `nodes: [{id, address, zone, vnodes}]`, of which zone and vnodes may be left out;
  // elsewhere `id=host:port[@zone][*vnodes],…`. No id and no address twice.
  Option& AddNodes(std::string key, std::vector<NodeEntry>* field, std::string help);

  void AddCheck(Check check) { checks_.push_back(std::move(check)); }
  const std::vector<Check>& checks() const { return checks_; }

  // A RINGKV_ variable that belongs to someone else and is no error here. RINGKV_ROUTER (kvctl) and
  // everything under RINGKV_TEST_ are known to be so.
  void IgnoreEnvironment(std::string name) { ignored_environment_.push_back(std::move(name)); }
  bool IgnoresEnvironment(std::string_view name) const;

  const Option* Find(std::string_view key) const;  // null if there is none
  const std::deque<Option>& options() const { return options_; }
  const std::string& program() const { return program_; }
  const std::string& about() const { return about_; }

  // The text of --help.
  std::string Help() const;

 private:
  using SetNumber = std::function<void(uint64_t)>;
  using GetNumber = std::function<uint64_t()>;

  template <class T>
  static SetNumber Setter(T* field) {
    return [field](uint64_t value) { *field = static_cast<T>(value); };
  }
  template <class T>
  static GetNumber Getter(T* field) {
    return [field] { return uint64_t{*field}; };
  }
  template <class T>
  static constexpr uint64_t Fitting(uint64_t max) {
    return std::min<uint64_t>(max, std::numeric_limits<T>::max());
  }

  Option& AddNumber(std::string key, SetNumber set, GetNumber get, uint64_t min, uint64_t max,
                    std::string help);
  Option& AddByteSize(std::string key, SetNumber set, GetNumber get, uint64_t min, uint64_t max,
                      std::string help);
  Option& AddList(std::string key, std::vector<std::string>* field, std::string help,
                  std::string allowed, std::function<Status(const std::string&)> check);
  Option& Add(std::string key, std::string help, std::string allowed,
              std::function<ConfigProblem(const ConfigValue&)> set,
              std::function<std::string()> yaml);

  std::string program_;
  std::string about_;
  std::deque<Option> options_;  // in the order of Add; a deque, so that references stay good
  std::vector<Check> checks_;
  std::vector<std::string> ignored_environment_;
};

}  // namespace ringkv
