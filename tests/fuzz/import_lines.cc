// What `kvctl import` reads, against hostile files: lines come out as a dumb twin splits them, a
// line that is no record has an error that says something, and a record that is written again is
// the same.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/limits.h"
#include "client/kvctl/line_reader.h"
#include "client/kvctl/record_lines.h"
#include "tests/fuzz/memory_file.h"

namespace {

using ringkv::LineReader;

constexpr size_t kMaxLineBytes = 200;  // so that an input of a few bytes can be too long

std::vector<std::string> Split(const std::string& bytes) {
  std::vector<std::string> lines;
  for (size_t start = 0; start < bytes.size();) {
    const size_t end = std::min(bytes.find('\n', start), bytes.size());
    lines.push_back(bytes.substr(start, end - start));
    start = end + 1;
  }
  return lines;
}

void TryRecord(std::string_view line) {
  const auto record = ringkv::ParseRecordLine(line);
  if (!record.ok()) {
    RINGKV_CHECK(!record.status().message().empty(), "an error says something");
    RINGKV_CHECK(record.status().message().size() < 2000, "and is no copy of the line");
    return;
  }
  RINGKV_CHECK(ringkv::CheckKey(record->key).ok(), "a record has a key");
  RINGKV_CHECK(ringkv::CheckValueSize(record->value.size()).ok(), "and a value that fits");
  const auto again = ringkv::ParseRecordLine(
      ringkv::FormatRecordLine(record->key, record->value, record->expires_at_ms));
  RINGKV_CHECK(again.ok(), "what is written can be read: " + again.status().message());
  RINGKV_CHECK(again->key == record->key && again->value == record->value &&
                   again->expires_at_ms == record->expires_at_ms,
               "and is the same record");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  const std::vector<std::string> lines = Split(bytes);
  const ringkv::MemoryFile file(bytes);
  LineReader reader(file.fd(), kMaxLineBytes);
  std::string_view line;
  for (const std::string& wanted : lines) {
    const LineReader::Kind kind = reader.Next(line);
    if (wanted.size() > kMaxLineBytes) {
      RINGKV_CHECK(kind == LineReader::Kind::kTooLong, "a long line is not kept");
      TryRecord(wanted);
      continue;
    }
    RINGKV_CHECK(kind == LineReader::Kind::kLine, "each line is delivered");
    const bool carriage = !wanted.empty() && wanted.back() == '\r';
    RINGKV_CHECK(line == wanted.substr(0, wanted.size() - (carriage ? 1 : 0)), "as it is");
    TryRecord(line);
  }
  RINGKV_CHECK(reader.Next(line) == LineReader::Kind::kEnd, "and then no more");
  RINGKV_CHECK(reader.number() == lines.size(), "lines are counted");
  return 0;
}
