#include "net/data_dir_lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <utility>

namespace ringkv {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class DataDirLockTest : public ::testing::Test {
 protected:
  DataDirLockTest() {
    std::string pattern = ::testing::TempDir() + "lock_test_XXXXXX";
    dir_ = ::mkdtemp(pattern.data());
  }
  ~DataDirLockTest() override { std::filesystem::remove_all(dir_); }

  std::string dir_;
};

TEST_F(DataDirLockTest, MakesTheDirectoryAndItsParents) {
  auto lock = DataDirLock::Acquire(dir_ + "/a/b");
  ASSERT_TRUE(lock.ok()) << lock.status().message();
  EXPECT_TRUE(std::filesystem::exists(dir_ + "/a/b/LOCK.ringkv"));
  EXPECT_EQ(lock->directory(), dir_ + "/a/b");
}

TEST_F(DataDirLockTest, ASecondHolderIsRefusedAndToldWhoHasIt) {
  auto lock = DataDirLock::Acquire(dir_);
  ASSERT_TRUE(lock.ok());
  Status status = DataDirLock::Acquire(dir_).status();
  EXPECT_EQ(status.code(), StatusCode::kRefused);
  EXPECT_THAT(status.message(),
              AllOf(HasSubstr(dir_), HasSubstr("in use by process " + std::to_string(::getpid()))));
}

TEST_F(DataDirLockTest, IsGivenBackWithTheLastOwner) {
  std::optional<DataDirLock> kept;
  {
    auto lock = DataDirLock::Acquire(dir_);
    ASSERT_TRUE(lock.ok());
    kept.emplace(std::move(lock).value());
  }
  EXPECT_FALSE(DataDirLock::Acquire(dir_).ok());
  kept.reset();
  EXPECT_TRUE(DataDirLock::Acquire(dir_).ok());
}

TEST_F(DataDirLockTest, IsGivenBackByAProcessThatIsKilled) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  pid_t child = ::fork();
  if (child == 0) {
    auto lock = DataDirLock::Acquire(dir_);
    char ok = lock.ok() ? 1 : 0;
    if (::write(ready[1], &ok, 1) != 1) ::_exit(1);
    while (true) ::pause();
  }
  char ok = 0;
  ASSERT_EQ(::read(ready[0], &ok, 1), 1);
  EXPECT_EQ(ok, 1);
  Status status = DataDirLock::Acquire(dir_).status();
  EXPECT_THAT(status.message(), HasSubstr("process " + std::to_string(child)));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(DataDirLock::Acquire(dir_).ok());
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_F(DataDirLockTest, AShorterPidLeavesNothingOfALongerOneBehind) {
  std::ofstream(dir_ + "/LOCK.ringkv") << "99999999999999\n";
  auto lock = DataDirLock::Acquire(dir_);
  ASSERT_TRUE(lock.ok());
  EXPECT_THAT(DataDirLock::Acquire(dir_).status().message(),
              HasSubstr("process " + std::to_string(::getpid()) + ": stop that one"));
}

TEST_F(DataDirLockTest, AFileInTheWayIsAClearError) {
  std::ofstream(dir_ + "/file") << "x";
  for (const std::string& path : {dir_ + "/file", dir_ + "/file/below"}) {
    Status status = DataDirLock::Acquire(path).status();
    EXPECT_EQ(status.code(), StatusCode::kIoError);
    EXPECT_THAT(status.message(), AllOf(HasSubstr(path), HasSubstr("not a directory")));
  }
  EXPECT_FALSE(DataDirLock::Acquire("").ok());
  std::filesystem::create_directory(dir_ + "/LOCK.ringkv");
  EXPECT_THAT(DataDirLock::Acquire(dir_).status().message(), HasSubstr("LOCK.ringkv"));
}

TEST_F(DataDirLockTest, DirectoryOfTheOtherKindIsRefused) {
  EXPECT_TRUE(CheckDataDirUse(dir_, DataDirUse::kNode).ok());
  EXPECT_TRUE(CheckDataDirUse(dir_ + "/nothing", DataDirUse::kRouter).ok());
  std::filesystem::create_directory(dir_ + "/db");
  EXPECT_TRUE(CheckDataDirUse(dir_, DataDirUse::kNode).ok());
  const Status status = CheckDataDirUse(dir_, DataDirUse::kRouter);
  EXPECT_EQ(status.code(), StatusCode::kRefused);
  EXPECT_THAT(status.message(), AllOf(HasSubstr(dir_), HasSubstr("that of a node")));
}

TEST_F(DataDirLockTest, NoPermissionIsAClearError) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become someone who has no permission";
  ASSERT_EQ(::chmod(dir_.c_str(), 0755), 0);
  auto as_nobody = [](const std::string& path) {
    if (::setuid(65534) != 0) ::_exit(9);
    Status status = DataDirLock::Acquire(path).status();
    std::fprintf(stderr, "%s\n", status.message().c_str());
    ::_exit(status.code() == StatusCode::kIoError ? 0 : 1);
  };
  EXPECT_EXIT(as_nobody(dir_), ::testing::ExitedWithCode(0), "no permission to write there");
  EXPECT_EXIT(as_nobody(dir_ + "/new"), ::testing::ExitedWithCode(0), "[Pp]ermission");
}

}  // namespace
}  // namespace ringkv
