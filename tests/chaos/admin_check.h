// What `kvctl -o json admin check` said, as a chaos run judges it. Pure.
#pragma once

#include <string>

#include "tests/client/kvctl_process.h"

namespace ringkv {

struct ReplicaVerdict {
  bool answered = false;   // it came to an end
  bool all_equal = false;  // exit code 0, and it says so
  bool different = false;  // complete replicas have different records: never right, at any time
  std::string text;        // what it found, for people
};

ReplicaVerdict JudgeAdminCheck(const KvctlResult& result);

}  // namespace ringkv
