#include "tests/golden/golden_run.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string_view>

namespace ringkv::golden {
namespace {

namespace fs = std::filesystem;

const fs::path& Folder() {
  static const fs::path folder = fs::path(RINGKV_SOURCE_DIR) / "tests" / "golden";
  return folder;
}

std::string ReadFile(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

bool Rewriting() {
  const char* wish = std::getenv("GOLDEN_REWRITE");
  return wish != nullptr && std::string_view(wish) == "1";
}

// The binary that runs, as one calls it from the root of the repository.
std::string ThisProgram() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  const fs::path shown = error ? fs::path() : fs::relative(program, RINGKV_SOURCE_DIR, error);
  return error || shown.empty() ? "the test" : shown.string();
}

std::vector<std::string> Counted(const std::vector<std::string>& effects) {
  std::vector<std::string> lines;
  for (size_t i = 0; i < effects.size();) {
    size_t end = i + 1;
    while (end < effects.size() && effects[end] == effects[i]) ++end;
    const size_t times = end - i;
    lines.push_back(effects[i] + (times > 1 ? " (" + std::to_string(times) + " times)" : ""));
    i = end;
  }
  if (lines.empty()) lines.emplace_back("(nothing)");
  return lines;
}

// Lines that both begin or end with are shown once.
std::string ShowBoth(const std::vector<std::string>& wanted,
                     const std::vector<std::string>& found) {
  const size_t most = std::min(wanted.size(), found.size());
  size_t head = 0, tail = 0;
  while (head < most && wanted[head] == found[head]) ++head;
  while (tail < most - head && wanted[wanted.size() - 1 - tail] == found[found.size() - 1 - tail]) {
    ++tail;
  }
  std::string text;
  for (size_t i = 0; i < head; ++i) text += "          " + wanted[i] + '\n';
  for (size_t i = head; i < wanted.size() - tail; ++i) text += "  wanted: " + wanted[i] + '\n';
  for (size_t i = head; i < found.size() - tail; ++i) text += "  found:  " + found[i] + '\n';
  for (size_t i = wanted.size() - tail; i < wanted.size(); ++i) {
    text += "          " + wanted[i] + '\n';
  }
  return text;
}

// The last effects before a command that makes no sense: they may tell its writer why.
std::string SoFar(const Script& script, const Block& failed,
                  const std::vector<std::string>& effects) {
  constexpr size_t kMost = 12;
  std::vector<std::string> lines;
  for (const Block& block : script.blocks) {
    const bool last = &block == &failed;
    const std::vector<std::string> more = last ? effects : block.effects;
    lines.insert(lines.end(), more.begin(), more.end());
    if (last) break;
  }
  if (lines.size() > kMost) lines.erase(lines.begin(), lines.end() - kMost);
  std::string text = lines.empty() ? "" : "; before it:";
  for (const std::string& line : lines) text += "\n    " + line;
  return text;
}

}  // namespace

Result<Script> Play(const Script& script, const MakeMachine& make) {
  std::unique_ptr<Machine> machine = make();
  Script found = script;
  for (Block& block : found.blocks) {
    std::vector<std::string> effects;
    for (const Command& command : block.commands) {
      if (command.text == "anew") {
        machine = make();
        continue;
      }
      const Status status = machine->Run(command, &effects);
      if (!status.ok()) {
        return Status(status.code(), script.file + ':' + std::to_string(command.line) + ": " +
                                         status.message() + SoFar(found, block, effects));
      }
    }
    block.effects = Counted(effects);
  }
  return found;
}

std::string Differences(const Script& wanted, const Script& found) {
  std::string text;
  for (size_t i = 0; i < wanted.blocks.size(); ++i) {
    const Block& block = wanted.blocks[i];
    if (block.effects == found.blocks[i].effects) continue;
    text += wanted.file + ':' + std::to_string(block.effects_line) + ": after\n";
    for (const Command& command : block.commands) text += "    " + command.text + '\n';
    text += ShowBoth(block.effects, found.blocks[i].effects);
  }
  return text;
}

std::vector<std::string> AllScripts() {
  std::vector<std::string> paths;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(Folder())) {
    if (entry.path().extension() != ".txt" || entry.path().filename() == "CMakeLists.txt") continue;
    paths.push_back(fs::relative(entry.path(), Folder()).generic_string());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::vector<std::string> ScriptsFor(const std::string& machine) {
  std::vector<std::string> paths = AllScripts();
  std::erase_if(paths, [&machine](const std::string& path) {
    const Result<Script> script = LoadScript(path);
    return script.ok() && script->machine != machine;
  });
  return paths;
}

Result<Script> LoadScript(const std::string& path) {
  return ParseScript("tests/golden/" + path, ReadFile(Folder() / path));
}

void CheckScript(const std::string& path, const MakeMachine& make) {
  const Result<Script> script = LoadScript(path);
  ASSERT_TRUE(script.ok()) << script.status().message();
  const Result<Script> found = Play(*script, make);
  ASSERT_TRUE(found.ok()) << found.status().message();
  const std::string differences = Differences(*script, *found);
  if (differences.empty()) return;
  if (Rewriting()) {
    std::ofstream out(Folder() / path, std::ios::binary | std::ios::trunc);
    out << FormatScript(*found);
    ASSERT_TRUE(out.flush().good()) << "cannot write " << path;
    std::cout << "rewrote tests/golden/" << path << '\n';
    return;
  }
  const testing::TestInfo* test = testing::UnitTest::GetInstance()->current_test_info();
  ADD_FAILURE() << differences << "If what was found is right by docs/protocol.md, write it down:\n"
                << "  GOLDEN_REWRITE=1 " << ThisProgram() << " --gtest_filter='"
                << test->test_suite_name() << '.' << test->name() << "'";
}

std::string TestName(const std::string& path) {
  std::string name = fs::path(path).replace_extension().generic_string();
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  return name;
}

}  // namespace ringkv::golden
