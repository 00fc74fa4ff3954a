// DeafClient: asks for values on Kv.Batch streams, each on a connection of its own, and reads no
// answer. Flow control then holds back what the router has for it. One thread calls.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"

namespace ringkv::bench {

class DeafClient {
 public:
  explicit DeafClient(std::string address);
  ~DeafClient();  // ends its streams, and waits until they are gone
  DeafClient(const DeafClient&) = delete;
  DeafClient& operator=(const DeafClient&) = delete;

  // So many streams; on each, `gets` reads of keys from number `first` to `first + keys` - 1, in
  // turn. Returns when all that was asked is on its way. Once. Unavailable: a stream could not be
  // opened, or broke.
  Status Ask(int streams, int gets, uint64_t first, uint64_t keys);

 private:
  class Stream;

  const std::string address_;
  std::vector<std::unique_ptr<Stream>> streams_;
};

}  // namespace ringkv::bench
