#include "tests/chaos/file_damage.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "tests/kvnode/temp_dir.h"

namespace ringkv {
namespace {

TEST(FileDamage, FlipsAFewBytesOfOneFileThatTheStoreReads) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    TempDir dir;
    std::filesystem::create_directory(dir.Sub("db"));
    const std::string bytes(1000, 'x');
    for (const char* name : {"LOCK.ringkv", "db/LOG", "db/LOG.old.1", "db/1.sst", "db/2.log"}) {
      WriteWholeFile(dir.Sub(name), bytes);
    }
    WriteWholeFile(dir.Sub("db/empty"), "");
    const Result<std::string> where = FlipBytes(dir.Sub(""), seed);
    ASSERT_TRUE(where.ok()) << where.status().ToString();
    size_t changed = 0;
    for (const char* name : {"db/1.sst", "db/2.log"}) {
      const std::string now = ReadWholeFile(dir.Sub(name));
      ASSERT_EQ(now.size(), bytes.size());
      size_t different = 0;
      for (char c : now) different += c == 'x' ? 0 : 1;
      if (different > 0) {
        ++changed;
        EXPECT_LE(different, 8u);
        EXPECT_NE(where->find(name), std::string::npos) << *where;
      }
    }
    EXPECT_LE(changed, 1u);
    EXPECT_EQ(ReadWholeFile(dir.Sub("LOCK.ringkv")), bytes);
    EXPECT_EQ(ReadWholeFile(dir.Sub("db/LOG")), bytes);
  }
}

TEST(FileDamage, EmptyDiskIsAnError) {
  TempDir dir;
  EXPECT_FALSE(FlipBytes(dir.Sub(""), 1).ok());
  EXPECT_FALSE(FlipBytes(dir.Sub("none"), 1).ok());
}

}  // namespace
}  // namespace ringkv
