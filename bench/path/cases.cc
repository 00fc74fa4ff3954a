#include "bench/path/cases.h"

#include <algorithm>
#include <cstdio>

namespace ringkv::bench {

KeySpace SpaceOf(uint64_t keys, size_t value_bytes) {
  constexpr uint64_t kMostBytes = 256u << 20;
  return {std::min<uint64_t>(keys, kMostBytes / value_bytes), value_bytes};
}

std::string PathKey(uint64_t number) {
  char name[17];
  std::snprintf(name, sizeof name, "k%015llu", static_cast<unsigned long long>(number));
  return name;
}

Result<LoadShape> ParseShape(const std::string& text) {
  LoadShape shape;
  int used = 0;
  if (std::sscanf(text.c_str(), "%dx%d%n", &shape.connections, &shape.in_flight, &used) == 2 &&
      static_cast<size_t>(used) == text.size() && shape.connections >= 1 &&
      shape.connections <= 10'000 && shape.in_flight >= 1 && shape.in_flight <= 4'096) {
    return shape;
  }
  return Status::InvalidArgument("'" + text +
                                 "' is no load: connections, at most 10000, and operations in "
                                 "flight of each, at most 4096, such as 64x16");
}

Result<OpMix> ParseMix(const std::string& text) {
  if (text == "put") return OpMix{text, 0};
  if (text == "get") return OpMix{text, 1};
  int reads = 0;
  int writes = 0;
  int used = 0;
  if (std::sscanf(text.c_str(), "%d/%d%n", &reads, &writes, &used) == 2 &&
      static_cast<size_t>(used) == text.size() && reads >= 0 && writes >= 0 &&
      reads + writes == 100) {
    return OpMix{text, reads / 100.0};
  }
  return Status::InvalidArgument("'" + text +
                                 "' is no mix: put, get, or the shares of gets and of puts in "
                                 "percent, such as 95/5");
}

}  // namespace ringkv::bench
