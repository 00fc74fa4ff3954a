#include "bench/overload/overload_targets.h"

#include <algorithm>

namespace ringkv::bench {

uint64_t NotTryAgain(const LoadFigures& figures) {
  uint64_t try_again = 0;
  for (const char* as :
       {"overloaded, not applied", "deadline, not applied", "unavailable, not applied"}) {
    const auto found = figures.failed_as.find(as);
    if (found != figures.failed_as.end()) try_again += found->second;
  }
  return figures.failed - std::min(try_again, figures.failed);
}

void LongestGap::Look(double seconds, uint64_t count) {
  if (!looked_ || count > count_) {
    if (looked_) longest_ = std::max(longest_, seconds - grew_at_);
    grew_at_ = seconds;
    count_ = count;
  }
  looked_ = true;
  longest_ = std::max(longest_, seconds - grew_at_);
}

}  // namespace ringkv::bench
