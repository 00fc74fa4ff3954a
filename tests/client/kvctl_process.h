// Runs the real kvctl binary and captures what it prints. Each run has files of its own for its
// three streams, so that nothing can block on a full pipe.
#pragma once

#include <string>
#include <vector>

namespace ringkv {

struct KvctlResult {
  int code = -1;  // exit code; 128 + the signal that ended it
  std::string out;
  std::string err;
};

// `input` is stdin. The environment holds RINGKV_ROUTER=`router`, if that is not empty.
KvctlResult RunKvctl(const std::string& router, const std::vector<std::string>& arguments,
                     const std::string& input = "");

// A directory that is removed with all that is in it.
class ScratchDirectory {
 public:
  ScratchDirectory();
  ~ScratchDirectory();
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  std::string Path(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

std::string ReadFile(const std::string& path);
void WriteFile(const std::string& path, const std::string& bytes);

}  // namespace ringkv
