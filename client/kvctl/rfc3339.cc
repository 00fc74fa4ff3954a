#include "client/kvctl/rfc3339.h"

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "base/hex.h"

namespace ringkv {
namespace {

constexpr uint64_t kLastMs = 253'402'300'799'999;  // 9999-12-31T23:59:59.999Z

// Takes `digits` decimal digits off the front; -1: they are not there.
int TakeNumber(std::string_view& text, size_t digits) {
  if (text.size() < digits) return -1;
  int number = 0;
  for (size_t i = 0; i < digits; ++i) {
    if (text[i] < '0' || text[i] > '9') return -1;
    number = number * 10 + (text[i] - '0');
  }
  text.remove_prefix(digits);
  return number;
}

bool Take(std::string_view& text, std::string_view one_of) {
  if (text.empty() || one_of.find(text.front()) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

// Milliseconds of ".123456", which may be absent; -1: no digit follows the point.
int TakeFraction(std::string_view& text) {
  if (!Take(text, ".")) return 0;
  int ms = 0;
  int digits = 0;
  for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; text.remove_prefix(1)) {
    if (++digits <= 3) ms = ms * 10 + (text.front() - '0');
  }
  if (digits == 0) return -1;
  for (; digits < 3; ++digits) ms *= 10;
  return ms;
}

// Minutes east of UTC of "Z" or "+hh:mm"; false: neither.
bool TakeOffset(std::string_view& text, int& minutes) {
  minutes = 0;
  if (Take(text, "Zz")) return true;
  const bool west = !text.empty() && text.front() == '-';
  if (!Take(text, "+-")) return false;
  const int hour = TakeNumber(text, 2);
  if (!Take(text, ":")) return false;
  const int minute = TakeNumber(text, 2);
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59) return false;
  minutes = (hour * 60 + minute) * (west ? -1 : 1);
  return true;
}

}  // namespace

std::string FormatRfc3339(uint64_t ms) {
  using namespace std::chrono;
  const sys_time<milliseconds> time{milliseconds(std::min(ms, kLastMs))};
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(time - day);
  char text[40];
  std::snprintf(text, sizeof(text), "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", int(date.year()),
                unsigned(date.month()), unsigned(date.day()), int(clock.hours().count()),
                int(clock.minutes().count()), int(clock.seconds().count()),
                int(clock.subseconds().count()));
  return text;
}

Result<uint64_t> ParseRfc3339(std::string_view text) {
  using namespace std::chrono;
  const Status bad =
      Status::InvalidArgument("'" + Printable(text) +
                              "' is not a time; a time is written as 2026-01-31T23:59:59.125Z (RFC "
                              "3339), from 1970 to 9999");
  const int y = TakeNumber(text, 4);
  if (!Take(text, "-")) return bad;
  const int mo = TakeNumber(text, 2);
  if (!Take(text, "-")) return bad;
  const int d = TakeNumber(text, 2);
  if (!Take(text, "Tt ")) return bad;
  const int h = TakeNumber(text, 2);
  if (!Take(text, ":")) return bad;
  const int mi = TakeNumber(text, 2);
  if (!Take(text, ":")) return bad;
  const int s = TakeNumber(text, 2);
  const int ms = TakeFraction(text);
  int offset = 0;
  if (!TakeOffset(text, offset) || !text.empty()) return bad;
  if (y < 0 || mo < 0 || d < 0 || h < 0 || h > 23 || mi < 0 || mi > 59 || s < 0 || s > 60 ||
      ms < 0) {
    return bad;
  }
  const year_month_day date{year(y), month(static_cast<unsigned>(mo)),
                            day(static_cast<unsigned>(d))};
  if (!date.ok()) return bad;
  const auto time =
      sys_days(date) + hours(h) + minutes(mi) + seconds(s) + milliseconds(ms) - minutes(offset);
  const int64_t since_epoch = duration_cast<milliseconds>(time.time_since_epoch()).count();
  if (since_epoch < 0 || static_cast<uint64_t>(since_epoch) > kLastMs) return bad;
  return static_cast<uint64_t>(since_epoch);
}

}  // namespace ringkv
