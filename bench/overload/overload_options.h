// What `bench overload` can be told. Plain values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ringkv::bench {

struct OverloadOptions {
  double seconds = 3;             // of each measurement
  double warm_seconds = 1;        // before them
  std::vector<std::string> only;  // names of scenarios; empty: all
  uint64_t keys = 100'000;        // with values of 100 bytes
  std::vector<std::string> loads = {"64x1024", "512x128", "256x1024"};  // of `load`
  double pause_seconds = 10;                                            // of `paused`
  int deaf_streams = 16;   // of `deaf`; each asks for...
  int deaf_gets = 160;     // ...so many values of 1 MiB: more than the router may take
  uint64_t idle = 10'000;  // connections of `idle`
  std::string json_file;
};

}  // namespace ringkv::bench
