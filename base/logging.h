// The process's log: one line an event on stderr, "2024-05-01T12:00:00.123Z info  component: text".
//
//   RINGKV_LOG(kInfo, "router", "owns {} slots", n);
//   RINGKV_LOG_EVERY(std::chrono::seconds(5), kError, "node", "cannot reach {}: {}", id, why);
//
// The arguments are evaluated only if the level is on; the format is checked when it is compiled.
// Control characters in a text are escaped, so that an event is always one line. Works, at level
// info, before `SetUpLogging`. Thread-safe. A line that cannot be written is dropped.
#pragma once

#include <fmt/core.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/status.h"

namespace ringkv {

enum class LogLevel : int { kTrace, kDebug, kInfo, kWarning, kError, kOff };

// "trace", "debug", "info", "warning", "error", "off": the values of a `log-level` option.
const std::vector<std::string>& LogLevelNames();
Result<LogLevel> ParseLogLevel(std::string_view name);

// The level below which nothing is written; may be called again to change it.
void SetUpLogging(LogLevel level);

bool LogEnabled(LogLevel level);
void LogLine(LogLevel level, std::string_view component, std::string_view text);

// Writes what is still buffered (nothing normally; for the end of a process).
void FlushLog();

// Lets one event through per interval and counts the others. Lock-free.
class LogLimiter {
 public:
  explicit LogLimiter(Duration interval) : interval_(interval) {}

  // True at most once an interval; then `*suppressed` is the number of calls since the last true.
  bool Allow(MonoTime now, uint64_t* suppressed);

 private:
  const Duration interval_;
  std::atomic<int64_t> next_ns_{INT64_MIN};
  std::atomic<uint64_t> suppressed_{0};
};

// For RINGKV_LOG_EVERY: asks the real clock, and adds "(N more like this)" to the text.
bool AllowNow(LogLimiter* limiter, uint64_t* suppressed);
void LogLimitedLine(LogLevel level, std::string_view component, std::string text,
                    uint64_t suppressed);

}  // namespace ringkv

#define RINGKV_LOG(level, component, ...)                                                    \
  do {                                                                                       \
    if (::ringkv::LogEnabled(::ringkv::LogLevel::level))                                     \
      ::ringkv::LogLine(::ringkv::LogLevel::level, (component), ::fmt::format(__VA_ARGS__)); \
  } while (false)

// The first event at once, then at most one an interval from this line of the program. Not for the
// pure core: it asks the real clock.
#define RINGKV_LOG_EVERY(interval, level, component, ...)                                          \
  do {                                                                                             \
    static ::ringkv::LogLimiter ringkv_limiter{(interval)};                                        \
    uint64_t ringkv_suppressed = 0;                                                                \
    if (::ringkv::LogEnabled(::ringkv::LogLevel::level) &&                                         \
        ::ringkv::AllowNow(&ringkv_limiter, &ringkv_suppressed))                                   \
      ::ringkv::LogLimitedLine(::ringkv::LogLevel::level, (component), ::fmt::format(__VA_ARGS__), \
                               ringkv_suppressed);                                                 \
  } while (false)
