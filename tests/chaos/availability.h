// For how long a key could not be read, or not be written, while clients tried.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tests/history/history_file.h"

namespace ringkv {

// A stretch of time, both ends included.
struct Stretch {
  int64_t from_ns = 0;
  int64_t to_ns = 0;
};

enum class Access { kRead, kWrite };

// Someone tried at `from_ns`, and the first success of anyone on that key came at `to_ns`; or
// nobody had one, and the last of the tries ended at `to_ns`.
struct Gap {
  std::string key;
  Access access = Access::kRead;
  Stretch time;
  int64_t length_ns() const { return time.to_ns - time.from_ns; }
};

// One gap for each try. Tries more than `patience_ns` apart do not make one gap: nobody tried in
// between. A write whose condition did not hold says nothing of whether the key could be written.
std::vector<Gap> FindGaps(const std::vector<ClientOperation>& operations, int64_t patience_ns);

inline bool Touch(const Stretch& a, const Stretch& b) {
  return a.from_ns <= b.to_ns && a.to_ns >= b.from_ns;
}
inline bool IsWithin(const Stretch& inner, const Stretch& outer) {
  return inner.from_ns >= outer.from_ns && inner.to_ns <= outer.to_ns;
}

// The longest of the gaps that `counts`, null if there is none.
const Gap* LongestGap(const std::vector<Gap>& gaps, Access access,
                      const std::function<bool(const Stretch&)>& counts);

}  // namespace ringkv
