#include "base/hex.h"

namespace ringkv {
namespace {
constexpr char kDigits[] = "0123456789abcdef";
}

std::string Hex(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (unsigned char c : bytes) {
    out += kDigits[c >> 4];
    out += kDigits[c & 15];
  }
  return out;
}

std::string Printable(std::string_view bytes, size_t max_bytes) {
  std::string out;
  for (unsigned char c : bytes.substr(0, max_bytes)) {
    if (c >= 0x20 && c < 0x7f && c != '\\') {
      out += static_cast<char>(c);
    } else {
      out += "\\x";
      out += kDigits[c >> 4];
      out += kDigits[c & 15];
    }
  }
  if (bytes.size() > max_bytes) out += "…";
  return out;
}

}  // namespace ringkv
