#include "client/kvctl/byte_text.h"

#include <array>
#include <cstdint>

#include "base/hex.h"

namespace ringkv {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<int8_t, 256> DecodingTable() {
  std::array<int8_t, 256> table{};
  for (auto& entry : table) entry = -1;
  for (size_t i = 0; i < kAlphabet.size(); ++i) {
    table[static_cast<uint8_t>(kAlphabet[i])] = static_cast<int8_t>(i);
  }
  return table;
}
constexpr std::array<int8_t, 256> kDecoding = DecodingTable();

}  // namespace

std::string Base64Encode(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t left = bytes.size() - i;
    const auto at = [&](size_t k) -> uint32_t {
      return k < left ? static_cast<uint8_t>(bytes[i + k]) : 0;
    };
    const uint32_t group = at(0) << 16 | at(1) << 8 | at(2);
    text += kAlphabet[group >> 18];
    text += kAlphabet[group >> 12 & 63];
    text += left > 1 ? kAlphabet[group >> 6 & 63] : '=';
    text += left > 2 ? kAlphabet[group & 63] : '=';
  }
  return text;
}

Result<std::string> Base64Decode(std::string_view text) {
  if (text.size() % 4 != 0) {
    return Status::InvalidArgument("this is not base64: its length, " +
                                   std::to_string(text.size()) +
                                   ", is no multiple of 4 (= fills it up)");
  }
  size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  const size_t digits = text.size() - padding;

  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  uint32_t bits = 0;
  int have = 0;
  for (size_t i = 0; i < digits; ++i) {
    const int8_t digit = kDecoding[static_cast<uint8_t>(text[i])];
    if (digit < 0) {
      return Status::InvalidArgument("this is not base64: '" + Visible(text.substr(i, 1)) +
                                     "' at place " + std::to_string(i + 1));
    }
    bits = bits << 6 | static_cast<uint32_t>(digit);
    have += 6;
    if (have >= 8) {
      have -= 8;
      bytes += static_cast<char>(bits >> have & 0xFF);
    }
  }
  if ((bits & ((1u << have) - 1)) != 0) {
    return Status::InvalidArgument("this is not base64: bits are left over at its end");
  }
  return bytes;
}

std::string Visible(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  while (!bytes.empty()) {
    const size_t length = Utf8CharacterLength(bytes);
    const char c = bytes.front();
    if (c == '\\') {
      text += "\\\\";
    } else if (c == '\n') {
      text += "\\n";
    } else if (c == '\t') {
      text += "\\t";
    } else if (length == 0 || (length == 1 && (static_cast<uint8_t>(c) < 0x20 || c == 0x7F))) {
      text += "\\x" + Hex(bytes.substr(0, 1));
    } else {
      text += bytes.substr(0, length);
    }
    bytes.remove_prefix(length == 0 ? 1 : length);
  }
  return text;
}

}  // namespace ringkv
