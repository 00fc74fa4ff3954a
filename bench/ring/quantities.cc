#include "bench/ring/quantities.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace ringkv::bench {
namespace {

struct Unit {
  const char* name;
  double size;
};

// In the largest unit of which there is one; they ascend.
template <size_t N>
std::string InUnits(double amount, const Unit (&units)[N]) {
  const Unit* fits = &units[0];
  for (const Unit& unit : units) {
    if (amount >= unit.size) fits = &unit;
  }
  return NumberText(amount / fits->size) + " " + fits->name;
}

}  // namespace

std::string NumberText(double number) {
  if (number == 0) return "0";
  const int whole_digits = static_cast<int>(std::floor(std::log10(std::abs(number)))) + 1;
  return fmt::format("{:.{}f}", number, std::clamp(3 - whole_digits, 0, 3));
}

std::string SecondsText(double seconds) {
  static constexpr Unit kUnits[] = {{"ns", 1e-9}, {"us", 1e-6}, {"ms", 1e-3}, {"s", 1}};
  return InUnits(seconds, kUnits);
}

std::string BytesText(double bytes) {
  static constexpr Unit kUnits[] = {{"B", 1}, {"KiB", 0x1p10}, {"MiB", 0x1p20}, {"GiB", 0x1p30}};
  return InUnits(bytes, kUnits);
}

std::string GroupedText(uint64_t number) {
  if (number < 1000) return std::to_string(number);
  return fmt::format("{} {:03}", GroupedText(number / 1000), number % 1000);
}

}  // namespace ringkv::bench
