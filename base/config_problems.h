// What is wrong with a configuration: all of it, one line each, in the order of finding.
// Thread-compatible.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace ringkv {

class ConfigProblems {
 public:
  void Add(std::string_view where, std::string_view what) {
    lines_.push_back(std::string(where) + ": " + std::string(what));
  }
  bool empty() const { return lines_.empty(); }
  Status ToStatus() const {
    std::string text;
    for (const std::string& line : lines_) text += (text.empty() ? "" : "\n") + line;
    return Status::InvalidArgument(text);
  }

 private:
  std::vector<std::string> lines_;
};

}  // namespace ringkv
