// RINGKV_CHECK: an invariant of our own state, in every build. It never judges outside input: bad
// input gets a Status. On failure the message goes to stderr and the process aborts.
#pragma once

#include <string_view>

namespace ringkv {

[[noreturn]] void CheckFailed(const char* file, int line, const char* condition,
                              std::string_view message);

}  // namespace ringkv

#define RINGKV_CHECK(condition, message)                                \
  do {                                                                  \
    if (!(condition)) [[unlikely]]                                      \
      ::ringkv::CheckFailed(__FILE__, __LINE__, #condition, (message)); \
  } while (false)
