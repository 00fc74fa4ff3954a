// For how long a key could not be read, or not be written, while clients tried.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/history/history_file.h"

namespace ringkv {

enum class Access { kRead, kWrite };

// Someone tried at `from_ns`, and the first success of anyone on that key came at `to_ns`; or
// nobody had one, and the last of the tries ended at `to_ns`.
struct Gap {
  std::string key;
  Access access = Access::kRead;
  int64_t from_ns = 0;
  int64_t to_ns = 0;
  int64_t length_ns() const { return to_ns - from_ns; }
};

// One gap for each try. Tries more than `patience_ns` apart do not make one gap: nobody tried in
// between. A write whose condition did not hold says nothing of whether the key could be written.
std::vector<Gap> FindGaps(const std::vector<ClientOperation>& operations, int64_t patience_ns);

// A stretch of time, both ends included.
struct Stretch {
  int64_t from_ns = 0;
  int64_t to_ns = 0;
};

// The longest of the gaps that touch one of the stretches, null if none does.
const Gap* LongestTouching(const std::vector<Gap>& gaps, Access access,
                           const std::vector<Stretch>& stretches);
// Likewise of those that lie within one.
const Gap* LongestWithin(const std::vector<Gap>& gaps, Access access,
                         const std::vector<Stretch>& stretches);

}  // namespace ringkv
