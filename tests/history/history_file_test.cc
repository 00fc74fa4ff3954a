#include "tests/history/history_file.h"

#include <gtest/gtest.h>

#include "tests/kvnode/temp_dir.h"

namespace ringkv {
namespace {

using Type = HistoryEvent::Type;
using Function = HistoryEvent::Function;
using Outcome = ClientOperation::Outcome;

HistoryEvent Event(int64_t process, Type type, Function function, std::string key,
                   std::optional<std::string> value = std::nullopt) {
  HistoryEvent event;
  event.process = process;
  event.type = type;
  event.function = function;
  event.key = std::move(key);
  event.value = std::move(value);
  return event;
}

// With times of their own, in order.
std::vector<HistoryEvent> InOrder(std::vector<HistoryEvent> events) {
  int64_t time = 0;
  for (HistoryEvent& event : events) event.time_ns = ++time;
  return events;
}

TEST(HistoryFile, LinesAreAsOutsideCheckersExpectThem) {
  HistoryEvent event = Event(3, Type::kInvoke, Function::kPut, "r7", "v1");
  event.time_ns = 123;
  EXPECT_EQ(ToJsonLine(event),
            R"({"process":3,"type":"invoke","f":"put","key":"r7","value":"v1","time":123})");
  event = Event(3, Type::kOk, Function::kGet, "r7");
  EXPECT_EQ(ToJsonLine(event),
            R"({"process":3,"type":"ok","f":"get","key":"r7","value":null,"time":0})");
  event = Event(4, Type::kFail, Function::kCas, "r7", "v3");
  event.expected = "v2";
  event.error = kConditionFailed;
  EXPECT_EQ(
      ToJsonLine(event),
      R"({"process":4,"type":"fail","f":"cas","key":"r7","value":["v2","v3"],"time":0,"error":"condition failed"})");
  event.expected = std::nullopt;
  event.error.clear();
  EXPECT_EQ(ToJsonLine(event),
            R"({"process":4,"type":"fail","f":"cas","key":"r7","value":[null,"v3"],"time":0})");
  event = Event(5, Type::kOk, Function::kIncrement, "c1", "42");
  event.number = true;
  EXPECT_EQ(ToJsonLine(event),
            R"({"process":5,"type":"ok","f":"incr","key":"c1","value":42,"time":0})");
  event = Event(5, Type::kOk, Function::kDelete, "r7");
  event.found = false;
  EXPECT_EQ(
      ToJsonLine(event),
      R"({"process":5,"type":"ok","f":"del","key":"r7","value":null,"time":0,"found":false})");
}

TEST(HistoryFile, WhatIsWrittenIsReadBackInTheOrderOfItsTimes) {
  TempDir dir;
  RealClock clock;
  auto writer = HistoryWriter::Create(dir.Sub("history.jsonl"), clock);
  ASSERT_TRUE(writer.ok());
  std::vector<HistoryEvent> events = {Event(1, Type::kInvoke, Function::kPut, "r1", "v1"),
                                      Event(2, Type::kInvoke, Function::kGet, "r1"),
                                      Event(1, Type::kOk, Function::kPut, "r1", "v1"),
                                      Event(2, Type::kInfo, Function::kGet, "r1"),
                                      Event(3, Type::kInvoke, Function::kCas, "r1", "v2"),
                                      Event(4, Type::kInvoke, Function::kIncrement, "c1", "-5"),
                                      Event(4, Type::kOk, Function::kIncrement, "c1", "-5")};
  events[3].error = "deadline: \"too\nlate\"";
  events[4].expected = "v1";
  events[5].number = events[6].number = true;
  for (HistoryEvent& event : events) event.time_ns = (*writer)->Append(event);
  ASSERT_TRUE((*writer)->Close().ok());
  auto read = ReadHistory(dir.Sub("history.jsonl"));
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(*read, events);
  for (size_t i = 1; i < read->size(); ++i) EXPECT_GE((*read)[i].time_ns, (*read)[i - 1].time_ns);
}

TEST(HistoryFile, ValueThatIsNotUtf8IsWrittenAllTheSame) {
  const std::string line = ToJsonLine(Event(1, Type::kOk, Function::kGet, "r1", "\xff\xfe"));
  EXPECT_TRUE(ParseHistoryLine(line).ok()) << line;
}

TEST(HistoryFile, BadLineIsNamed) {
  TempDir dir;
  WriteWholeFile(dir.Sub("h"),
                 R"({"process":3,"type":"invoke","f":"put","key":"r7","value":"v1","time":1})"
                 "\n{\"process\":3,\"type\":\"perhaps\"}\n");
  auto read = ReadHistory(dir.Sub("h"));
  ASSERT_FALSE(read.ok());
  EXPECT_NE(read.status().message().find("line 2"), std::string::npos) << read.status().message();
  EXPECT_FALSE(ReadHistory(dir.Sub("none")).ok());
  for (const char* line :
       {"", "[]", R"({"process":3,"type":"ok","f":"put","key":"r7","value":"v1"})",
        R"({"process":3,"type":"ok","f":"eat","key":"r7","value":"v1","time":1})",
        R"({"process":3,"type":"ok","f":"cas","key":"r7","value":"v1","time":1})",
        R"({"process":3,"type":"ok","f":"get","key":"r7","value":1.5,"time":1})",
        R"({"process":3,"type":"ok","f":"get","key":7,"value":"v1","time":1})"}) {
    EXPECT_FALSE(ParseHistoryLine(line).ok()) << line;
  }
}

TEST(HistoryFile, OperationsArePairedWithTheirEnds) {
  std::vector<HistoryEvent> events = {
      Event(1, Type::kInvoke, Function::kPut, "r1", "v1"),
      Event(2, Type::kInvoke, Function::kDelete, "r1"),
      Event(2, Type::kOk, Function::kDelete, "r1"),
      Event(1, Type::kInfo, Function::kPut, "r1", "v1"),
      Event(2, Type::kInvoke, Function::kCas, "r1", "v2"),
      Event(2, Type::kFail, Function::kCas, "r1", "v2"),
      Event(2, Type::kInvoke, Function::kPut, "r1", "v3"),
      Event(2, Type::kFail, Function::kPut, "r1", "v3"),
      Event(2, Type::kInvoke, Function::kIncrement, "c1", "5"),
  };
  events[2].found = false;
  events[4].expected = events[5].expected = "v1";
  events[5].error = kConditionFailed;
  events[7].error = "unavailable";
  auto paired = PairOperations(InOrder(events));
  ASSERT_TRUE(paired.ok()) << paired.status().ToString();
  ASSERT_EQ(paired->size(), 5u);
  const ClientOperation& del = (*paired)[0];
  EXPECT_EQ(del.op.kind, HistoryOp::Kind::kDelete);
  EXPECT_FALSE(del.op.applied);
  EXPECT_EQ((*paired)[1].outcome, Outcome::kUnknown);
  EXPECT_TRUE((*paired)[1].op.unknown);
  EXPECT_EQ((*paired)[1].op.invoked, 1);
  EXPECT_EQ((*paired)[1].ended_ns, 4);
  EXPECT_EQ((*paired)[2].outcome, Outcome::kConditionFailed);
  EXPECT_EQ((*paired)[2].op.kind, HistoryOp::Kind::kCas);
  EXPECT_EQ((*paired)[2].op.expected, "v1");
  EXPECT_EQ((*paired)[3].outcome, Outcome::kNotApplied);
  EXPECT_EQ((*paired)[4].outcome, Outcome::kUnknown);
  EXPECT_EQ((*paired)[4].op.delta, 5);

  auto by_key = HistoriesByKey(*paired);
  EXPECT_EQ(by_key["r1"].size(), 3u) << "what was certainly not applied is not part of it";
  EXPECT_EQ(by_key["c1"].size(), 1u);
}

TEST(HistoryFile, HistoryThatBreaksTheRulesIsRefused) {
  const HistoryEvent put = Event(1, Type::kInvoke, Function::kPut, "r1", "v1");
  const HistoryEvent ok = Event(1, Type::kOk, Function::kPut, "r1", "v1");
  const HistoryEvent info = Event(1, Type::kInfo, Function::kPut, "r1", "v1");
  const HistoryEvent get = Event(1, Type::kInvoke, Function::kGet, "r1");
  const HistoryEvent same_value = Event(1, Type::kInvoke, Function::kPut, "r2", "v1");
  EXPECT_TRUE(PairOperations(InOrder({put, ok, get})).ok());
  EXPECT_FALSE(PairOperations(InOrder({put, get})).ok());
  EXPECT_FALSE(PairOperations(InOrder({ok})).ok());
  EXPECT_FALSE(PairOperations(InOrder({put, info, get})).ok());
  EXPECT_FALSE(PairOperations(InOrder({put, ok, same_value})).ok());
  EXPECT_FALSE(PairOperations(InOrder({get, ok})).ok());
  std::vector<HistoryEvent> backwards = InOrder({put, ok});
  backwards[1].time_ns = 0;
  EXPECT_FALSE(PairOperations(backwards).ok());
}

}  // namespace
}  // namespace ringkv
