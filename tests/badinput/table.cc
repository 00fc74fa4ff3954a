#include "tests/badinput/table.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <regex>
#include <set>
#include <sstream>
#include <string_view>

#include "base/check.h"
#include "client/kvctl/byte_text.h"
#include "tests/kvnode/temp_dir.h"

namespace ringkv::badinput {
namespace {

constexpr char kDocument[] = RINGKV_SOURCE_DIR "/docs/bad-input.md";
constexpr size_t kLongestShown = 240;  // of one word that nobody reads to its end

bool Rewriting() {
  const char* wish = std::getenv("GOLDEN_REWRITE");
  return wish != nullptr && std::string_view(wish) == "1";
}

void ReplaceAll(std::string& text, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
}

// One line of output, as the table shows it; false: it is not shown.
bool ShowLine(std::string& line) {
  static const std::regex time(R"(^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z )");
  static const std::regex quiet(R"(^(info|debug|trace) )");
  static const std::regex padding(R"(^(warning|error) +)");
  std::smatch match;
  if (std::regex_search(line, match, time)) {
    line = match.suffix();
    if (std::regex_search(line, quiet)) return false;
    line = std::regex_replace(line, padding, "$1 ");
  }
  line = Visible(line);
  ReplaceAll(line, "\\\\", "\\");
  return true;
}

std::string Code(std::string text) {
  if (text.size() > kLongestShown * 4) text = text.substr(0, kLongestShown) + "…";
  ReplaceAll(text, "|", "\\|");
  if (text.find('`') == std::string::npos) return "`" + text + "`";
  return "`` " + text + " ``";
}

std::string Begin(const std::string& name) { return "<!-- begin " + name + " -->\n"; }
std::string End(const std::string& name) { return "<!-- end " + name + " -->\n"; }

// The section's text with its marks, or empty.
std::string SectionOf(const std::string& document, const std::string& name) {
  const size_t begin = document.find(Begin(name));
  const size_t end = document.find(End(name));
  if (begin == std::string::npos || end == std::string::npos || end < begin) return {};
  return document.substr(begin, end + End(name).size() - begin);
}

std::string OpeningOf(const std::string& document) {
  return document.substr(0, document.find("<!-- begin "));
}

// The document with the section in it, and without those that no file of cases has.
std::string WithSection(const std::string& document, const std::string& name,
                        const std::string& section) {
  std::string text = OpeningOf(document);
  const Result<std::vector<CaseFile>> files = LoadCaseFiles();
  RINGKV_CHECK(files.ok(), files.status().message());
  for (const CaseFile& file : *files) {
    const std::string part = file.name == name ? section : SectionOf(document, file.name);
    if (!part.empty()) text += part + "\n";
  }
  text.pop_back();
  return text;
}

void WriteDown(const CaseFile& file, const std::string& section) {
  const int fd = ::open(kDocument, O_RDONLY | O_CLOEXEC);
  ASSERT_GE(fd, 0) << kDocument;
  ASSERT_EQ(::flock(fd, LOCK_EX), 0);
  WriteWholeFile(kDocument, WithSection(ReadWholeFile(kDocument), file.name, section));
  ::close(fd);
  std::cout << "wrote section " << file.name << " of docs/bad-input.md\n";
}

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// Rows that only one side has.
std::string Differences(const std::string& wanted, const std::string& found) {
  const std::vector<std::string> a = Lines(wanted), b = Lines(found);
  std::string text;
  for (const std::string& line : a) {
    if (std::find(b.begin(), b.end(), line) == b.end()) text += "  wanted: " + line + "\n";
  }
  for (const std::string& line : b) {
    if (std::find(a.begin(), a.end(), line) == a.end()) text += "  found:  " + line + "\n";
  }
  return text.empty() ? "  the same rows in another order\n" : text;
}

}  // namespace

std::string Normalised(const std::string& output, const std::map<std::string, std::string>& names) {
  std::vector<std::pair<std::string, std::string>> values;  // value, name
  for (const auto& [name, value] : names) values.emplace_back(value, name);
  std::sort(values.begin(), values.end(), [](const auto& a, const auto& b) {
    return a.first.size() != b.first.size() ? a.first.size() > b.first.size() : a < b;
  });
  // What the programs make of their own.
  static const std::vector<std::pair<std::regex, std::string>> kMade = {
      {std::regex(R"(\bprocess \d+)"), "process PID"},
      {std::regex(R"(\b[0-9a-f]{32}\b)"), "UUID"},
      {std::regex(R"(version (is )?\d+\.\d+)"), "version $1T.S"}};
  std::string text;
  for (std::string line : Lines(output)) {
    if (!ShowLine(line)) continue;
    for (const auto& [value, name] : values) ReplaceAll(line, value, name);
    for (const auto& [made, name] : kMade) line = std::regex_replace(line, made, name);
    text += line + "\n";
  }
  return text;
}

std::string FormatSection(const CaseFile& file, const std::vector<Row>& rows) {
  std::string text = Begin(file.name) + "## " + file.title + "\n\n";
  if (!file.prose.empty()) text += file.prose + "\n";
  text += "| input | message | exit code |\n|---|---|---|\n";
  for (const Row& row : rows) {
    std::string message;
    for (const std::string& line : Lines(row.message)) {
      message += (message.empty() ? "" : "<br>") + Code(line);
    }
    text += "| " + Code(row.input) + " | " + message + " | " + row.code + " |\n";
  }
  return text + End(file.name);
}

void CheckSection(const CaseFile& file, const std::string& section) {
  const std::string wanted = SectionOf(ReadWholeFile(kDocument), file.name);
  if (wanted == section) return;
  if (Rewriting()) return WriteDown(file, section);
  ADD_FAILURE() << "docs/bad-input.md, section " << file.name << ":\n"
                << Differences(wanted, section)
                << "If what was found is what a user should read, write it down: "
                   "GOLDEN_REWRITE=1 ./dev test BadInput\n";
}

void CheckDocument(const std::vector<CaseFile>& files) {
  const std::string document = ReadWholeFile(kDocument);
  std::string all = OpeningOf(document);
  for (const CaseFile& file : files) all += SectionOf(document, file.name) + "\n";
  all.pop_back();
  EXPECT_TRUE(all == document)
      << "docs/bad-input.md has sections of no file of cases, lacks one, "
         "or has them in another order: GOLDEN_REWRITE=1 ./dev test BadInput";
}

}  // namespace ringkv::badinput
