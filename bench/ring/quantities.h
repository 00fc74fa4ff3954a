// Figures as people read them: three significant digits and a unit. Pure functions; thread-safe.
#pragma once

#include <cstdint>
#include <string>

namespace ringkv::bench {

std::string SecondsText(double seconds);   // "4.15 ms"
std::string BytesText(double bytes);       // "512 KiB"
std::string NumberText(double number);     // "0.951", "12.3", "1234"
std::string GroupedText(uint64_t number);  // "1 000 000"

}  // namespace ringkv::bench
