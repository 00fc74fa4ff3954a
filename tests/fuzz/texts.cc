// Small texts from outside, against hostile bytes: base64, times, durations, sizes, versions,
// addresses, node entries, hash tags. None crashes; what is understood and written again means the
// same; hash tags are as a dumb twin finds them.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/address.h"
#include "base/check.h"
#include "base/config_values.h"
#include "base/hex.h"
#include "base/ids.h"
#include "base/near_miss.h"
#include "base/utf8.h"
#include "client/kvctl/byte_text.h"
#include "client/kvctl/rfc3339.h"
#include "ring/hash.h"

namespace {

using namespace ringkv;

void Base64(const std::string& text) {
  const Result<std::string> bytes = Base64Decode(text);
  if (bytes.ok()) RINGKV_CHECK(Base64Encode(*bytes) == text, "base64 has one encoding");
  const Result<std::string> back = Base64Decode(Base64Encode(text));
  RINGKV_CHECK(back.ok() && *back == text, "and takes any bytes");
}

void Times(const std::string& text) {
  const Result<uint64_t> ms = ParseRfc3339(text);
  if (!ms.ok()) return;
  const Result<uint64_t> again = ParseRfc3339(FormatRfc3339(*ms));
  RINGKV_CHECK(again.ok() && *again == *ms, "a time that is written is the same time");
}

void Numbers(const std::string& text) {
  if (const Result<Duration> duration = ParseDuration(text); duration.ok()) {
    const Result<Duration> again = ParseDuration(FormatDuration(*duration));
    RINGKV_CHECK(again.ok() && *again == *duration, "a duration is the same");
  }
  if (const Result<uint64_t> bytes = ParseBytes(text); bytes.ok()) {
    const Result<uint64_t> again = ParseBytes(FormatBytes(*bytes));
    RINGKV_CHECK(again.ok() && *again == *bytes, "a number of bytes is the same");
  }
  if (const Result<Version> version = ParseVersion(text); version.ok()) {
    const Result<Version> again = ParseVersion(version->ToString());
    RINGKV_CHECK(again.ok() && *again == *version, "a version is the same");
  }
  (void)ParseUint(text);
  (void)ParseBool(text);
}

void Names(const std::string& text) {
  if (const Result<HostPort> address = ParseAddress(text, PortZero::kAllowed); address.ok()) {
    const Result<HostPort> again =
        ParseAddress(FormatAddress(address->host, address->port), PortZero::kAllowed);
    RINGKV_CHECK(again.ok() && again->host == address->host && again->port == address->port,
                 "an address is the same");
  }
  if (const Result<NodeEntry> entry = ParseNodeEntry(text); entry.ok()) {
    const std::string written = FormatNodeEntry(*entry);
    const Result<NodeEntry> again = ParseNodeEntry(written);
    RINGKV_CHECK(again.ok() && FormatNodeEntry(*again) == written, "a node entry is the same");
  }
  (void)CheckZone(text);
  (void)NodeId::Parse(text);
  const std::string known[] = {"router", "timeout"};
  (void)DidYouMean(text, known);
}

// The first `{`, and from there the first `}`: something between.
std::string DumbTag(const std::string& key) {
  for (size_t open = 0; open < key.size(); ++open) {
    if (key[open] != '{') continue;
    std::string tag;
    for (size_t i = open + 1; i < key.size(); ++i) {
      if (key[i] == '}') return tag.empty() ? key : tag;
      tag += key[i];
    }
    return key;
  }
  return key;
}

void Shown(const std::string& text) {
  RINGKV_CHECK(IsUtf8(Visible(text)), "what is visible is text");
  RINGKV_CHECK(Printable(text, 10).size() <= 10 * 4 + 3, "what is printable is bounded");
  RINGKV_CHECK(HashedPart(text) == DumbTag(text), "hash tags are found");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  Base64(text);
  Times(text);
  Numbers(text);
  Names(text);
  Shown(text);
  return 0;
}
