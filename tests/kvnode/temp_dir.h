// A fresh directory under /tmp (or $TMPDIR) that is removed at the end, and the damage that tests
// do to files in it. Thread-compatible.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

namespace ringkv {

class TempDir {
 public:
  TempDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "ringkv-test-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    path_ = pattern;
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  std::string Sub(std::string_view name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

inline std::string ReadWholeFile(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void WriteWholeFile(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  ASSERT_TRUE(out.good()) << path;
}

inline std::vector<std::filesystem::path> FilesWithExtension(const std::string& dir,
                                                             std::string_view extension) {
  std::vector<std::filesystem::path> found;
  for (const auto& entry : std::filesystem::directory_iterator(dir)) {
    if (entry.path().extension() == extension) found.push_back(entry.path());
  }
  return found;
}

// Flips one bit in the middle of where `marker` stands in a file with that extension. False if
// nowhere.
inline bool DamageWhere(const std::string& dir, std::string_view extension,
                        std::string_view marker) {
  for (const auto& path : FilesWithExtension(dir, extension)) {
    std::string bytes = ReadWholeFile(path);
    const size_t at = bytes.find(marker);
    if (at == std::string::npos) continue;
    bytes[at + marker.size() / 2] ^= 1;
    WriteWholeFile(path, bytes);
    return true;
  }
  return false;
}

}  // namespace ringkv
