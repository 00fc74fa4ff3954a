#include "base/logging.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>

namespace ringkv {
namespace {

// The level lives apart from the logger, so that asking for it costs one load.
std::atomic<int> g_level{static_cast<int>(LogLevel::kInfo)};

spdlog::logger& Logger() {
  // Never destroyed: threads of libraries may log while the process ends.
  static spdlog::logger* logger = [] {
    auto* made = new spdlog::logger("ringkv", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %v", spdlog::pattern_time_type::utc);
    made->set_level(spdlog::level::trace);
    made->flush_on(spdlog::level::trace);
    made->set_error_handler([](const std::string&) {});  // a log that fails stops nobody
    return made;
  }();
  return *logger;
}

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kTrace:
      return spdlog::level::trace;
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
    case LogLevel::kOff:
      break;
  }
  return spdlog::level::off;
}

// One event, one line, whatever a client put into its text. UTF-8 stays as it is.
std::string Escaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (char c : text) {
    bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    if (!control) {
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

}  // namespace

const std::vector<std::string>& LogLevelNames() {
  static const std::vector<std::string> names = {"trace",   "debug", "info",
                                                 "warning", "error", "off"};
  return names;
}

Result<LogLevel> ParseLogLevel(std::string_view name) {
  const auto& names = LogLevelNames();
  auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) {
    return Status::InvalidArgument("'" + std::string(name) +
                                   "' is not a log level; allowed: trace, debug, info, warning, "
                                   "error, off");
  }
  return static_cast<LogLevel>(found - names.begin());
}

void SetUpLogging(LogLevel level) {
  Logger();
  g_level.store(static_cast<int>(level), std::memory_order_relaxed);
}

bool LogEnabled(LogLevel level) {
  return level != LogLevel::kOff &&
         static_cast<int>(level) >= g_level.load(std::memory_order_relaxed);
}

void LogLine(LogLevel level, std::string_view component, std::string_view text) {
  if (!LogEnabled(level)) return;
  const std::string& name = LogLevelNames()[static_cast<size_t>(level)];
  std::string line = fmt::format("{:<7} {}: {}", name, component, Escaped(text));
  Logger().log(ToSpdlog(level), spdlog::string_view_t(line));
}

void FlushLog() { Logger().flush(); }

bool LogLimiter::Allow(MonoTime now, uint64_t* suppressed) {
  int64_t next = next_ns_.load(std::memory_order_relaxed);
  // Of several threads that find the interval over, the one that moves it on speaks.
  if (now.ns < next ||
      !next_ns_.compare_exchange_strong(next, (now + interval_).ns, std::memory_order_relaxed)) {
    suppressed_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  *suppressed = suppressed_.exchange(0, std::memory_order_relaxed);
  return true;
}

bool AllowNow(LogLimiter* limiter, uint64_t* suppressed) {
  return limiter->Allow(RealClock().Now(), suppressed);
}

void LogLimitedLine(LogLevel level, std::string_view component, std::string text,
                    uint64_t suppressed) {
  if (suppressed > 0) text += fmt::format(" ({} more like this)", suppressed);
  LogLine(level, component, text);
}

}  // namespace ringkv
