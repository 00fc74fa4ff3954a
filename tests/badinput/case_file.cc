#include "tests/badinput/case_file.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <utility>

namespace ringkv::badinput {
namespace {

namespace fs = std::filesystem;

std::string ReadText(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

Result<Needs> ParseNeeds(const std::string& word) {
  if (word == "nothing") return Needs::kNothing;
  if (word == "cluster") return Needs::kCluster;
  return Status::InvalidArgument("needs: '" + word + "' is neither nothing nor cluster");
}

}  // namespace

Result<CaseFile> ParseCaseFile(const std::string& name, const std::string& text) {
  CaseFile file{.name = name};
  std::istringstream in(text);
  std::string line;
  int number = 0;
  const auto bad = [&](const std::string& what) {
    return Status::InvalidArgument(name + ".txt:" + std::to_string(number) + ": " + what);
  };
  Case next;
  while (std::getline(in, line)) {
    ++number;
    if (number == 1) {
      if (!line.starts_with("# ")) return bad("the first line is '# TITLE'");
      file.title = line.substr(2);
    } else if (number == 2) {
      if (!line.starts_with("needs: ")) return bad("the second line is 'needs: WHAT'");
      const Result<Needs> needs = ParseNeeds(line.substr(7));
      if (!needs.ok()) return bad(needs.status().message());
      file.needs = *needs;
    } else if (line.starts_with("$ ") || line.starts_with("$+ ")) {
      next.makes_files = line[1] == '+';
      next.command = line.substr(line.find(' ') + 1);
      next.line = number;
      file.cases.push_back(std::exchange(next, {}));
    } else if (line.starts_with("> ")) {
      next.setup.push_back(line.substr(2));
    } else if (!line.empty()) {
      if (!file.cases.empty()) return bad("neither a case nor what prepares one: '" + line + "'");
      file.prose += line + "\n";
    }
  }
  if (!next.setup.empty()) return bad("no case follows what was prepared");
  if (file.cases.empty()) return bad("there is no case");
  return file;
}

Result<std::vector<CaseFile>> LoadCaseFiles() {
  std::vector<fs::path> paths;
  for (const fs::directory_entry& entry : fs::directory_iterator(RINGKV_BADINPUT_CASES)) {
    paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<CaseFile> files;
  for (const fs::path& path : paths) {
    Result<CaseFile> file = ParseCaseFile(path.stem().string(), ReadText(path));
    if (!file.ok()) return file.status();
    files.push_back(*std::move(file));
  }
  return files;
}

Result<std::vector<CaseFile>> LoadCaseFiles(Needs needs) {
  Result<std::vector<CaseFile>> files = LoadCaseFiles();
  if (files.ok()) {
    std::erase_if(*files, [needs](const CaseFile& file) { return file.needs != needs; });
  }
  return files;
}

}  // namespace ringkv::badinput
