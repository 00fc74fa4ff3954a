// Bytes as text, times, record lines and the reading of lines.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/limits.h"
#include "base/random.h"
#include "client/kvctl/byte_text.h"
#include "client/kvctl/line_reader.h"
#include "client/kvctl/record_lines.h"
#include "client/kvctl/rfc3339.h"

namespace ringkv {
namespace {

std::string RandomBytes(Random& random, size_t size) {
  std::string bytes(size, '\0');
  // Often ASCII and often parts of longer characters, so that valid UTF-8 comes up too.
  for (char& c : bytes) {
    c = static_cast<char>(random.Chance(0.7) ? random.Below(128) : random.Below(256));
  }
  return bytes;
}

bool DumbIsUtf8(const std::string& bytes) {
  try {
    (void)nlohmann::json(bytes).dump();
    return true;
  } catch (const nlohmann::json::exception&) {
    return false;
  }
}

TEST(ByteText, Utf8AgreesWithTheJsonLibrary) {
  Random random(7);
  for (int i = 0; i < 200'000; ++i) {
    std::string bytes(random.Below(5), '\0');
    for (char& c : bytes)
      c = static_cast<char>(random.Chance(0.2) ? random.Below(128) : random.Between(128, 255));
    ASSERT_EQ(IsUtf8(bytes), DumbIsUtf8(bytes)) << Base64Encode(bytes);
  }
}

TEST(ByteText, Base64RoundTripsAndIsStrict) {
  EXPECT_EQ(Base64Encode(""), "");
  EXPECT_EQ(Base64Encode("f"), "Zg==");
  EXPECT_EQ(Base64Encode("foobar"), "Zm9vYmFy");
  Random random(8);
  for (size_t size = 0; size < 300; ++size) {
    const std::string bytes = RandomBytes(random, size);
    EXPECT_EQ(*Base64Decode(Base64Encode(bytes)), bytes);
  }
  for (const char* bad : {"Zg", "Zg=", "Zh==", "Z===", "====", "Zm9v\n", "Zm 9", "Zm-_"}) {
    EXPECT_FALSE(Base64Decode(bad).ok()) << bad;
  }
}

TEST(ByteText, VisibleIsOneLineAndTellsBytesApart) {
  EXPECT_EQ(Visible("caf\xc3\xa9 \\ \n\t\x01\xff\x7f"), "caf\xc3\xa9 \\\\ \\n\\t\\x01\\xff\\x7f");
}

TEST(Rfc3339, KnownTimesBothWays) {
  const std::pair<uint64_t, const char*> times[] = {
      {0, "1970-01-01T00:00:00.000Z"},
      {1, "1970-01-01T00:00:00.001Z"},
      {951'782'400'000, "2000-02-29T00:00:00.000Z"},
      {1'700'000'000'123, "2023-11-14T22:13:20.123Z"},
      {253'402'300'799'999, "9999-12-31T23:59:59.999Z"},
  };
  for (const auto& [ms, text] : times) {
    EXPECT_EQ(FormatRfc3339(ms), text);
    EXPECT_EQ(*ParseRfc3339(text), ms);
  }
  EXPECT_EQ(*ParseRfc3339("2023-11-14T23:13:20.1239+01:00"), 1'700'000'000'123u);
  EXPECT_EQ(*ParseRfc3339("2023-11-14T22:13:20Z"), 1'700'000'000'000u);
  for (const char* bad :
       {"", "2023-02-30T00:00:00Z", "2023-01-01T24:00:00Z", "2023-01-01T00:00:00", "2023-01-01",
        "1969-12-31T23:59:59Z", "2023-01-01T00:00:00.Z", "2023-01-01T00:00:00Zx"}) {
    EXPECT_FALSE(ParseRfc3339(bad).ok()) << bad;
  }
}

TEST(RecordLines, TheEncodingIsFixed) {
  EXPECT_EQ(FormatRecordLine("k", "v", 0), R"({"key":"k","value":"v"})");
  EXPECT_EQ(FormatRecordLine("k", "", 1),
            R"({"key":"k","value":"","expires_at":"1970-01-01T00:00:00.001Z"})");
  EXPECT_EQ(FormatRecordLine("\xc3\xa9", std::string("\x00\x1f\n\t\b\f\r\"\\/\x7f", 11), 0),
            "{\"key\":\"\xc3\xa9\",\"value\":\"\\u0000\\u001f\\n\\t\\b\\f\\r\\\"\\\\/\x7f\"}");
  EXPECT_EQ(FormatRecordLine("\xff", "\xfe", 0), R"({"key_base64":"/w==","value_base64":"/g=="})");
}

TEST(RecordLines, RoundTrip) {
  Random random(9);
  for (int i = 0; i < 5'000; ++i) {
    const std::string key = RandomBytes(random, random.Between(1, 40));
    const std::string value = RandomBytes(random, random.Below(200));
    const uint64_t expires = random.Chance(0.5) ? 0 : random.Between(1, 2'000'000'000'000);
    const std::string line = FormatRecordLine(key, value, expires);
    ASSERT_EQ(line.find('\n'), std::string::npos);
    const Result<RecordLine> record = ParseRecordLine(line);
    ASSERT_TRUE(record.ok()) << record.status().ToString() << "\n" << line;
    ASSERT_EQ(record->key, key);
    ASSERT_EQ(record->value, value);
    ASSERT_EQ(record->expires_at_ms, expires);
  }
}

TEST(RecordLines, TheLargestRecordFitsALine) {
  const std::string line =
      FormatRecordLine(std::string(kMaxKeyBytes, '\x01'), std::string(kMaxValueBytes, '\x01'), 1);
  EXPECT_LE(line.size(), kMaxRecordLineBytes);
}

TEST(RecordLines, BadLinesSayWhatIsWrong) {
  const std::pair<const char*, const char*> lines[] = {
      {"", "not JSON"},
      {"{", "not JSON"},
      {"[]", "not a JSON object"},
      {"7", "not a JSON object"},
      {R"("x")", "not a JSON object"},
      {"null", "not a JSON object"},
      {R"({"key":"k"})", "neither \"value\""},
      {R"({"value":"v"})", "neither \"key\""},
      {R"({"key":1,"value":"v"})", "\"key\" is not a string"},
      {R"({"key":"k","value":["v"]})", "\"value\" is not a string"},
      {R"({"key":"k","value":{"a":1}})", "\"value\" is not a string"},
      {R"({"key":"k","key_base64":"aw==","value":""})", "both \"key\""},
      {R"({"key":"k","key":"k","value":""})", "twice"},
      {R"({"key":"","value":""})", "key is empty"},
      {R"({"key":"k","value":"v","ttl":1})", "unknown field \"ttl\""},
      {R"({"key":"k","value_base64":"!"})", "base64"},
      {R"({"key":"k","value":"v","expires_at":"soon"})", "RFC 3339"},
      {"{\"key\":\"\xff\",\"value\":\"v\"}", "UTF-8"},
      {R"({"key":"k","value":"v"} x)", "not JSON"},
  };
  for (const auto& [line, words] : lines) {
    const Result<RecordLine> record = ParseRecordLine(line);
    ASSERT_FALSE(record.ok()) << line;
    EXPECT_NE(record.status().message().find(words), std::string::npos)
        << line << ": " << record.status().message();
  }
  EXPECT_TRUE(
      ParseRecordLine(R"({"key":"k","key_base64":null,"value":"","expires_at":null})").ok());
  EXPECT_FALSE(ParseRecordLine(std::string(1 << 20, '[')).ok());
}

std::string ReadLines(const std::string& bytes, size_t max) {
  FILE* file = std::tmpfile();
  std::fwrite(bytes.data(), 1, bytes.size(), file);
  std::fflush(file);
  std::rewind(file);
  LineReader reader(fileno(file), max);
  std::string seen;
  std::string_view line;
  while (true) {
    const LineReader::Kind kind = reader.Next(line);
    if (kind == LineReader::Kind::kEnd) break;
    EXPECT_TRUE(kind == LineReader::Kind::kLine || kind == LineReader::Kind::kTooLong);
    seen += std::to_string(reader.number()) + "=";
    seen += kind == LineReader::Kind::kTooLong ? "TOO LONG" : std::string(line);
    seen += "|";
  }
  std::fclose(file);
  return seen;
}

TEST(LineReader, EndingsAndEmptyLines) {
  EXPECT_EQ(ReadLines("", 10), "");
  EXPECT_EQ(ReadLines("a\nb", 10), "1=a|2=b|");
  EXPECT_EQ(ReadLines("a\r\n\n\r\nb\n", 10), "1=a|2=|3=|4=b|");
  EXPECT_EQ(ReadLines("\n", 10), "1=|");
}

TEST(LineReader, LongLinesArePassedOver) {
  EXPECT_EQ(ReadLines("a\n0123456789x\nb", 10), "1=a|2=TOO LONG|3=b|");
  EXPECT_EQ(ReadLines(std::string(3 << 20, 'x') + "\nb\n" + std::string(1 << 20, 'y'), 100),
            "1=TOO LONG|2=b|3=TOO LONG|");
  const std::string fits(2 << 20, 'x');
  EXPECT_EQ(ReadLines("a\n" + fits + "\nb", 2 << 20), "1=a|2=" + fits + "|3=b|");
}

}  // namespace
}  // namespace ringkv
