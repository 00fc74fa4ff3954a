#include "bench/peers/resp.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace ringkv::bench {
namespace {

void Feed(RespReader* reader, std::string_view bytes) {
  std::memcpy(reader->Space(bytes.size()), bytes.data(), bytes.size());
  reader->Filled(bytes.size());
}

RespReader::Found Read(std::string_view bytes, RespReply* reply) {
  static RespReader reader;
  reader = {};
  Feed(&reader, bytes);
  return reader.Next(reply);
}

TEST(Resp, CommandsAreArraysOfBulkStrings) {
  std::string bytes;
  AppendCommand(&bytes, {"SET", "key", std::string_view("a\r\n\0b", 5), ""});
  const char wire[] = "*4\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\na\r\n\0b\r\n$0\r\n\r\n";
  EXPECT_EQ(bytes, std::string_view(wire, sizeof wire - 1));
}

// The examples of the protocol's specification.
TEST(Resp, EachKindOfReplyIsRead) {
  RespReply reply;
  ASSERT_EQ(Read("+OK\r\n", &reply), RespReader::Found::kReply);
  EXPECT_EQ(reply.kind, RespReply::Kind::kSimple);
  EXPECT_EQ(reply.text, "OK");
  ASSERT_EQ(Read("-ERR unknown command 'asdf'\r\n", &reply), RespReader::Found::kReply);
  EXPECT_EQ(reply.kind, RespReply::Kind::kError);
  EXPECT_EQ(reply.text, "ERR unknown command 'asdf'");
  ASSERT_EQ(Read(":-1000\r\n", &reply), RespReader::Found::kReply);
  EXPECT_EQ(reply.kind, RespReply::Kind::kInteger);
  EXPECT_EQ(reply.integer, -1000);
  ASSERT_EQ(Read("$5\r\nhello\r\n", &reply), RespReader::Found::kReply);
  EXPECT_EQ(reply.kind, RespReply::Kind::kBulk);
  EXPECT_EQ(reply.text, "hello");
  ASSERT_EQ(Read("$0\r\n\r\n", &reply), RespReader::Found::kReply);
  EXPECT_EQ(reply.kind, RespReply::Kind::kBulk);
  EXPECT_EQ(reply.text, "");
  ASSERT_EQ(Read("$-1\r\n", &reply), RespReader::Found::kReply);
  EXPECT_EQ(reply.kind, RespReply::Kind::kNull);
}

TEST(Resp, RepliesAreTheSameHoweverTheirBytesCome) {
  const std::string bytes = "+OK\r\n$7\r\na\r\nb$1\r\r\n:12\r\n$-1\r\n-ERR x\r\n$0\r\n\r\n";
  for (size_t piece = 1; piece <= bytes.size(); ++piece) {
    RespReader reader;
    std::string seen;
    for (size_t at = 0; at < bytes.size(); at += piece) {
      Feed(&reader, std::string_view(bytes).substr(at, piece));
      RespReply reply;
      while (reader.Next(&reply) == RespReader::Found::kReply) {
        seen += std::to_string(static_cast<int>(reply.kind)) + "[" + std::string(reply.text) + "]" +
                std::to_string(reply.integer) + " ";
      }
    }
    EXPECT_EQ(seen, "0[OK]0 3[a\r\nb$1\r]0 2[]12 4[]0 1[ERR x]0 3[]0 ") << "pieces of " << piece;
  }
}

TEST(Resp, LargeValuesAmongManyReplies) {
  RespReader reader;
  const std::string value(300'000, 'v');
  for (int round = 0; round < 50; ++round) {
    const std::string bytes = "+OK\r\n$" + std::to_string(value.size()) + "\r\n" + value +
                              "\r\n:" + std::to_string(round) + "\r\n";
    RespReply reply;
    std::vector<RespReply::Kind> kinds;
    for (size_t at = 0; at < bytes.size(); at += 65'536) {
      Feed(&reader, std::string_view(bytes).substr(at, 65'536));
      while (reader.Next(&reply) == RespReader::Found::kReply) {
        kinds.push_back(reply.kind);
        if (reply.kind == RespReply::Kind::kBulk) {
          EXPECT_EQ(reply.text, value);
        }
      }
    }
    ASSERT_EQ(kinds.size(), 3u);
    EXPECT_EQ(reply.integer, round);
  }
}

TEST(Resp, WhatIsNoReplyIsBroken) {
  RespReply reply;
  for (const char* bad :
       {"\r\n", "HTTP/1.1 400\r\n", ":\r\n", ":1x\r\n", ":99999999999999999999\r\n", "$\r\n",
        "$-2\r\n", "$x\r\n", "$1\r\nab\r\n", "$536870913\r\n", "*1\r\n", "OK\r\n"}) {
    EXPECT_EQ(Read(bad, &reply), RespReader::Found::kBroken) << bad;
  }
  EXPECT_EQ(Read("+" + std::string(RespReader::kMaxLine, 'x'), &reply), RespReader::Found::kBroken);
}

TEST(Resp, WhatIsNotWholeIsWaitedFor) {
  RespReply reply;
  for (const char* part : {"", "+", "+OK", "+OK\r", "$", "$5\r\n", "$5\r\nhell", "$5\r\nhello",
                           "$5\r\nhello\r", ":1"}) {
    EXPECT_EQ(Read(part, &reply), RespReader::Found::kNotWhole) << part;
  }
}

}  // namespace
}  // namespace ringkv::bench
