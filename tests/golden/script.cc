#include "tests/golden/script.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "base/config_values.h"

namespace ringkv::golden {
namespace {

constexpr std::string_view kDivider = "----";
constexpr std::string_view kMachine = "machine ";
constexpr std::string_view kBlanks = " \t";

bool IsEmpty(std::string_view line) { return line.find_first_not_of(kBlanks) == line.npos; }
bool IsComment(std::string_view line) { return line.starts_with("#"); }

std::vector<std::string> LinesOf(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    lines.emplace_back(text.substr(0, end));
    if (end == text.npos) break;
    text.remove_prefix(end + 1);
  }
  return lines;
}

std::vector<std::string> WordsOf(std::string_view line) {
  std::vector<std::string> words;
  for (size_t at = line.find_first_not_of(kBlanks); at != line.npos;) {
    const size_t end = line.find_first_of(kBlanks, at);
    words.emplace_back(line.substr(at, end == line.npos ? line.npos : end - at));
    at = line.find_first_not_of(kBlanks, end);
  }
  return words;
}

class Parser {
 public:
  Parser(std::string file, std::string_view text) : lines_(LinesOf(text)) {
    script_.file = std::move(file);
  }

  Result<Script> Run() {
    RINGKV_RETURN_IF_ERROR(Opening());
    for (;;) {
      std::vector<std::string> before;
      while (at_ < lines_.size() && (IsEmpty(lines_[at_]) || IsComment(lines_[at_]))) {
        before.push_back(lines_[at_++]);
      }
      if (at_ == lines_.size()) {
        script_.after = std::move(before);
        break;
      }
      script_.blocks.emplace_back().before = std::move(before);
      RINGKV_RETURN_IF_ERROR(Commands(&script_.blocks.back()));
      Effects(&script_.blocks.back());
    }
    if (script_.blocks.empty()) return Bad("the script has no commands");
    return std::move(script_);
  }

 private:
  Status Bad(const std::string& why) const {
    const size_t line = std::min(at_ + 1, std::max<size_t>(lines_.size(), 1));
    return Status::InvalidArgument(script_.file + ':' + std::to_string(line) + ": " + why);
  }

  Status Opening() {
    if (lines_.empty() || !IsComment(lines_[0])) {
      return Bad("a script opens with a comment that says what it is about");
    }
    while (at_ < lines_.size() && (IsEmpty(lines_[at_]) || IsComment(lines_[at_]))) {
      script_.opening.push_back(lines_[at_++]);
    }
    const std::vector<std::string> words =
        at_ < lines_.size() ? WordsOf(lines_[at_]) : std::vector<std::string>{};
    if (words.size() != 2 || !lines_[at_].starts_with(kMachine)) {
      return Bad("a line 'machine NAME' is expected after the opening comment");
    }
    script_.machine = words[1];
    script_.opening.push_back(lines_[at_++]);
    return Status::Ok();
  }

  Status Commands(Block* block) {
    for (; at_ < lines_.size() && lines_[at_] != kDivider; ++at_) {
      if (IsEmpty(lines_[at_])) return Bad("a line '----' is expected after the commands");
      if (IsComment(lines_[at_])) return Bad("a comment stands before the commands of a block");
      Command command;
      command.line = static_cast<int>(at_) + 1;
      command.text = lines_[at_];
      for (std::string& word : WordsOf(lines_[at_])) {
        const size_t equals = word.find('=');
        if (equals == 0 || (equals != word.npos && command.name.empty())) {
          return Bad("'" + word + "' is no command");
        }
        if (equals == word.npos) {
          (command.name.empty() ? command.name : command.words.emplace_back()) = std::move(word);
        } else if (!command.options.emplace(word.substr(0, equals), word.substr(equals + 1))
                        .second) {
          return Bad("the option '" + word.substr(0, equals) + "' is given twice");
        }
      }
      block->commands.push_back(std::move(command));
    }
    if (block->commands.empty()) return Bad("there is no command before '----'");
    if (at_ == lines_.size()) return Bad("a line '----' is expected after the commands");
    ++at_;
    return Status::Ok();
  }

  void Effects(Block* block) {
    block->effects_line = static_cast<int>(at_) + 1;
    while (at_ < lines_.size() && !IsEmpty(lines_[at_])) block->effects.push_back(lines_[at_++]);
  }

  const std::vector<std::string> lines_;
  size_t at_ = 0;
  Script script_;
};

}  // namespace

Result<Script> ParseScript(std::string file, std::string_view text) {
  return Parser(std::move(file), text).Run();
}

std::string FormatScript(const Script& script) {
  std::string text;
  auto add = [&text](const std::vector<std::string>& lines) {
    for (const std::string& line : lines) text += line + '\n';
  };
  add(script.opening);
  for (const Block& block : script.blocks) {
    add(block.before);
    for (const Command& command : block.commands) text += command.text + '\n';
    text += std::string(kDivider) + '\n';
    add(block.effects);
  }
  add(script.after);
  return text;
}

std::string Arguments::Word(std::string_view what) {
  std::optional<std::string> word = WordIfAny();
  if (!word.has_value()) Complain("needs " + std::string(what));
  return word.value_or("");
}

std::optional<std::string> Arguments::WordIfAny() {
  if (left_.words.empty()) return std::nullopt;
  std::string word = std::move(left_.words.front());
  left_.words.erase(left_.words.begin());
  return word;
}

bool Arguments::Flag(std::string_view word) {
  auto found = std::find(left_.words.begin(), left_.words.end(), word);
  if (found == left_.words.end()) return false;
  left_.words.erase(found);
  return true;
}

std::optional<std::string> Arguments::Option(const std::string& name) {
  auto node = left_.options.extract(name);
  if (node.empty()) return std::nullopt;
  return std::move(node.mapped());
}

std::optional<uint64_t> Arguments::NumberIfAny(const std::string& name) {
  const std::optional<std::string> text = Option(name);
  if (!text.has_value()) return std::nullopt;
  const Result<uint64_t> number = ParseUint(*text);
  if (number.ok()) return *number;
  Complain("'" + name + "': " + number.status().message());
  return 0;
}

uint64_t Arguments::Number(const std::string& name, uint64_t otherwise) {
  return NumberIfAny(name).value_or(otherwise);
}

bool Arguments::YesNo(const std::string& name, bool otherwise) {
  const std::optional<std::string> text = Option(name);
  if (!text.has_value()) return otherwise;
  if (*text != "yes" && *text != "no") {
    Complain("'" + name + "' is yes or no, not '" + *text + "'");
  }
  return *text == "yes";
}

Duration Arguments::Time(const std::string& name, Duration otherwise) {
  const std::optional<std::string> text = Option(name);
  if (!text.has_value()) return otherwise;
  const Result<Duration> time = ParseDuration(*text);
  if (time.ok()) return *time;
  Complain("'" + name + "': " + time.status().message());
  return otherwise;
}

std::optional<Version> Arguments::VersionIfAny(const std::string& name) {
  const std::optional<std::string> text = Option(name);
  if (!text.has_value()) return std::nullopt;
  const Result<Version> version = ParseVersion(*text);
  if (version.ok()) return *version;
  Complain("'" + name + "': " + version.status().message());
  return Version{};
}

void Arguments::Complain(std::string error) {
  if (error_.empty()) error_ = std::move(error);
}

Status Arguments::Finish() const {
  const std::string who = "'" + left_.name + "' ";
  if (!error_.empty()) return Status::InvalidArgument(who + error_);
  if (!left_.words.empty()) {
    return Status::InvalidArgument(who + "does not know what to do with '" + left_.words[0] + "'");
  }
  if (!left_.options.empty()) {
    return Status::InvalidArgument(who + "has no option '" + left_.options.begin()->first + "'");
  }
  return Status::Ok();
}

}  // namespace ringkv::golden
