#include "tests/chaos/file_damage.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <vector>

#include "base/random.h"

namespace ringkv {
namespace {

namespace fs = std::filesystem;

// How often the damage is to what holds data, where there is any.
constexpr double kData = 0.7;

bool IsRead(const fs::path& path) {
  const std::string name = path.filename().string();
  return !name.starts_with("LOCK") && !name.starts_with("LOG");
}

bool HoldsData(const fs::path& path) {
  const std::string kind = path.extension().string();
  return kind == ".sst" || kind == ".blob" || kind == ".log";
}

std::vector<fs::path> FilesUnder(const std::string& directory) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::recursive_directory_iterator at(directory, error), end; !error && at != end;
       at.increment(error)) {
    if (at->is_regular_file(error) && at->file_size(error) > 0 && IsRead(at->path())) {
      files.push_back(at->path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

Result<std::string> FlipBytes(const std::string& directory, uint64_t seed) {
  std::vector<fs::path> files = FilesUnder(directory);
  if (files.empty()) return Status::NotFound("there is no file under " + directory);
  Random random(seed);
  const bool among_data = std::any_of(files.begin(), files.end(), HoldsData);
  if (among_data && random.Chance(kData)) {
    std::erase_if(files, [](const fs::path& path) { return !HoldsData(path); });
  }
  const fs::path& path = files[random.Below(files.size())];
  const uint64_t size = fs::file_size(path);
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  std::string where =
      fs::relative(path, directory).string() + " of " + std::to_string(size) + " bytes, at";
  const uint64_t flips = random.Between(1, 8);
  for (uint64_t i = 0; i < flips; ++i) {
    const uint64_t at = random.Below(size);
    const auto mask = static_cast<char>(random.Between(1, 255));
    file.seekg(static_cast<std::streamoff>(at));
    const auto byte = static_cast<char>(file.get());
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(byte ^ mask));
    where += " " + std::to_string(at);
  }
  file.close();
  if (!file.good()) return Status::IoError("cannot change " + path.string());
  return where;
}

}  // namespace ringkv
