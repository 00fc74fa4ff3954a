#include "router/scan.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "base/limits.h"
#include "ring/hash.h"

namespace ringkv {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr uint32_t kSlots = 64;
constexpr Duration kIdle = seconds(5);

// Slots that hold keys, as shards would serve them.
class FakeSlots {
 public:
  void Add(const std::string& key, const std::string& value = "v") {
    slots_[SlotOf(TokenOf(key), kSlots).value()][key] = value;
  }
  // This many pages of the slot fail before one is served.
  void FailPages(SlotId slot, int pages, v1::ErrorCode code = v1::ERROR_CODE_UNAVAILABLE) {
    failures_[slot.value()] = {pages, code};
  }

  ScanCall::Page Serve(const ScanWalk::Request& request, const std::string& prefix) {
    ++pages;
    asked.insert(request.slot.value());
    ScanCall::Page page;
    auto& [left, code] = failures_[request.slot.value()];
    if (left > 0) {
      --left;
      page.status.set_outcome(v1::OUTCOME_NOT_APPLIED);
      page.status.set_code(code);
      page.status.set_message("not now");
      return page;
    }
    page.status.set_outcome(v1::OUTCOME_DONE);
    const auto& slot = slots_[request.slot.value()];
    size_t bytes = 0;
    auto it = slot.upper_bound(request.after);
    for (; it != slot.end(); ++it) {
      if (!it->first.starts_with(prefix)) continue;
      if (!page.entries.empty() &&
          (bytes >= request.max_bytes || page.entries.size() >= request.max_entries)) {
        break;
      }
      v1::ScanEntry entry;
      entry.set_key(it->first);
      entry.set_value(it->second);
      bytes += it->first.size() + it->second.size();
      page.entries.push_back(std::move(entry));
    }
    page.complete = it == slot.end();
    page.next_after = page.entries.empty() ? request.after : page.entries.back().key();
    return page;
  }

  std::set<std::string> Keys(const std::string& prefix = "") const {
    std::set<std::string> keys;
    for (const auto& [slot, entries] : slots_) {
      for (const auto& [key, value] : entries) {
        if (key.starts_with(prefix)) keys.insert(key);
      }
    }
    return keys;
  }

  int pages = 0;
  std::set<uint32_t> asked;

 private:
  std::map<uint32_t, std::map<std::string, std::string>> slots_;
  std::map<uint32_t, std::pair<int, v1::ErrorCode>> failures_;
};

struct Driven {
  std::vector<std::string> keys;
  std::vector<std::string> cursors;  // after each response
  v1::OpStatus status;
  size_t most_in_flight = 0;
};

// Runs a walk to its end; pages come back in random order.
Driven Drive(FakeSlots& slots, const v1::ScanRequest& request, unsigned seed = 1,
             size_t max_responses = SIZE_MAX) {
  std::mt19937 random(seed);
  MonoTime now{1};
  auto walk = ScanWalk::Make(request, kSlots, kIdle, now);
  EXPECT_TRUE(walk.ok()) << walk.status().ToString();
  Driven driven;
  std::vector<ScanWalk::Request> in_flight;
  while (!walk->ended() && driven.cursors.size() < max_responses) {
    for (ScanWalk::Request& next : walk->Next(now)) in_flight.push_back(std::move(next));
    driven.most_in_flight = std::max(driven.most_in_flight, in_flight.size());
    const bool idle = in_flight.empty();
    if (!idle) {
      const size_t which = random() % in_flight.size();
      ScanWalk::Request chosen = in_flight[which];
      in_flight.erase(in_flight.begin() + static_cast<std::ptrdiff_t>(which));
      walk->OnPage(chosen.slot, slots.Serve(chosen, walk->prefix()), now);
    }
    v1::ScanResponse response;
    walk->Take(&response);
    if (response.entries_size() == 0 && !walk->ended()) {
      if (!idle) continue;
      if (walk->NextDue() == kNever) {
        ADD_FAILURE() << "the walk is stuck";
        break;
      }
      now = std::max(now + milliseconds(1), walk->NextDue());
      continue;
    }
    for (const v1::ScanEntry& entry : response.entries()) driven.keys.push_back(entry.key());
    driven.status = response.status();
    driven.cursors.push_back(response.cursor());
  }
  return driven;
}

std::set<std::string> AsSet(const std::vector<std::string>& keys) {
  std::set<std::string> set(keys.begin(), keys.end());
  EXPECT_EQ(set.size(), keys.size()) << "a key came twice";
  return set;
}

TEST(ScanCursor, ReadsBackAsItWas) {
  for (const ScanPosition& position :
       {ScanPosition{SlotId(0), ""}, ScanPosition{SlotId(63), std::string("a\0\xff", 3)},
        ScanPosition{SlotId(7), std::string(kMaxKeyBytes, 'k')}}) {
    auto decoded = DecodeScanCursor(EncodeScanCursor(position, kSlots, "p"), kSlots, "p");
    ASSERT_TRUE(decoded.ok()) << decoded.status().ToString();
    EXPECT_EQ(*decoded, position);
  }
}

TEST(ScanCursor, OfAnotherScanIsRefused) {
  const std::string cursor = EncodeScanCursor({SlotId(3), "key"}, kSlots, "p");
  auto refused = [](std::string_view cursor, uint32_t slots, std::string_view prefix) {
    return DecodeScanCursor(cursor, slots, prefix).status().code() == StatusCode::kInvalidArgument;
  };
  EXPECT_TRUE(refused(cursor, kSlots, "q"));
  EXPECT_TRUE(refused(cursor, 2 * kSlots, "p"));
  EXPECT_TRUE(refused("", kSlots, "p"));
  EXPECT_TRUE(refused(cursor.substr(0, 13), kSlots, "p"));
  EXPECT_TRUE(refused("x" + cursor.substr(1), kSlots, "p"));
  EXPECT_TRUE(refused(EncodeScanCursor({SlotId(kSlots), ""}, kSlots, "p"), kSlots, "p"));
  EXPECT_TRUE(refused(cursor + std::string(kMaxKeyBytes, 'k'), kSlots, "p"));
}

TEST(ScanWalk, GivesEveryKeyOnceHoweverThePagesComeBack) {
  FakeSlots slots;
  for (int i = 0; i < 3000; ++i) slots.Add("key" + std::to_string(i), std::string(100, 'v'));
  v1::ScanRequest request;
  request.set_page_bytes(4096);
  for (unsigned seed = 1; seed <= 20; ++seed) {
    Driven driven = Drive(slots, request, seed);
    EXPECT_EQ(driven.status.outcome(), v1::OUTCOME_DONE);
    EXPECT_EQ(AsSet(driven.keys), slots.Keys()) << "seed " << seed;
    EXPECT_TRUE(driven.cursors.back().empty());
  }
}

TEST(ScanWalk, AsksManySlotsAtATime) {
  FakeSlots slots;
  for (int i = 0; i < 300; ++i) slots.Add("key" + std::to_string(i));
  EXPECT_GE(Drive(slots, {}).most_in_flight, 16u);
}

TEST(ScanWalk, GoesOnExactlyFromAnyCursor) {
  FakeSlots slots;
  for (int i = 0; i < 500; ++i) slots.Add("key" + std::to_string(i), std::string(50, 'v'));
  v1::ScanRequest request;
  request.set_page_bytes(300);
  std::mt19937 random(5);
  for (int round = 0; round < 30; ++round) {
    // A walk that is given up after some responses and taken up again, many times.
    std::vector<std::string> keys;
    request.clear_cursor();
    do {
      Driven driven = Drive(slots, request, random(), 1 + random() % 20);
      keys.insert(keys.end(), driven.keys.begin(), driven.keys.end());
      request.set_cursor(driven.cursors.back());
    } while (!request.cursor().empty());
    ASSERT_EQ(AsSet(keys), slots.Keys());
  }
}

TEST(ScanWalk, StopsAtItsLimitWithACursor) {
  FakeSlots slots;
  for (int i = 0; i < 200; ++i) slots.Add("key" + std::to_string(i));
  v1::ScanRequest request;
  request.set_limit(7);
  Driven first = Drive(slots, request);
  EXPECT_EQ(first.keys.size(), 7u);
  ASSERT_FALSE(first.cursors.back().empty());
  request.set_limit(0);
  request.set_cursor(first.cursors.back());
  Driven rest = Drive(slots, request);
  first.keys.insert(first.keys.end(), rest.keys.begin(), rest.keys.end());
  EXPECT_EQ(AsSet(first.keys), slots.Keys());
}

TEST(ScanWalk, ReadsOnlyKeysWithThePrefix) {
  FakeSlots slots;
  for (int i = 0; i < 100; ++i) {
    slots.Add("a" + std::to_string(i));
    slots.Add("b" + std::to_string(i));
  }
  v1::ScanRequest request;
  request.set_prefix("a1");
  Driven driven = Drive(slots, request);
  EXPECT_EQ(AsSet(driven.keys), slots.Keys("a1"));
  EXPECT_EQ(slots.asked.size(), kSlots);
}

TEST(ScanWalk, NeedsOneSlotForAPrefixWithAWholeHashTag) {
  FakeSlots slots;
  for (int i = 0; i < 100; ++i) slots.Add("{user:7}:" + std::to_string(i));
  slots.Add("{user:8}:1");
  v1::ScanRequest request;
  request.set_prefix("{user:7}:");
  Driven driven = Drive(slots, request);
  EXPECT_EQ(driven.keys.size(), 100u);
  EXPECT_EQ(slots.asked.size(), 1u);
  // An open tag, or an empty one, says nothing about the slot.
  for (std::string open : {"{user:7", "{}user"}) {
    slots.asked.clear();
    request.set_prefix(open);
    Drive(slots, request);
    EXPECT_EQ(slots.asked.size(), kSlots) << open;
  }
}

TEST(ScanWalk, AsksAgainWhereASlotCannotBeReadForAWhile) {
  FakeSlots slots;
  for (int i = 0; i < 200; ++i) slots.Add("key" + std::to_string(i));
  slots.FailPages(SlotId(0), 3);
  slots.FailPages(SlotId(40), 4, v1::ERROR_CODE_OVERLOADED);
  Driven driven = Drive(slots, {});
  EXPECT_EQ(driven.status.outcome(), v1::OUTCOME_DONE);
  EXPECT_EQ(AsSet(driven.keys), slots.Keys());
}

TEST(ScanWalk, EndsWithACursorWhereASlotStaysAway) {
  FakeSlots slots;
  for (int i = 0; i < 500; ++i) slots.Add("key" + std::to_string(i));
  slots.FailPages(SlotId(40), 1'000'000);
  Driven driven = Drive(slots, {});
  EXPECT_EQ(driven.status.code(), v1::ERROR_CODE_UNAVAILABLE);
  ASSERT_FALSE(driven.cursors.back().empty());
  auto position = DecodeScanCursor(driven.cursors.back(), kSlots, "");
  EXPECT_EQ(position->slot, SlotId(40));
  slots.FailPages(SlotId(40), 0);
  v1::ScanRequest rest;
  rest.set_cursor(driven.cursors.back());
  Driven second = Drive(slots, rest);
  driven.keys.insert(driven.keys.end(), second.keys.begin(), second.keys.end());
  EXPECT_EQ(AsSet(driven.keys), slots.Keys());
}

TEST(ScanWalk, DoesNotAskAgainWhereThatIsOfNoUse) {
  FakeSlots slots;
  slots.FailPages(SlotId(2), 1'000'000, v1::ERROR_CODE_CORRUPTION);
  Driven driven = Drive(slots, {});
  EXPECT_EQ(driven.status.code(), v1::ERROR_CODE_CORRUPTION);
}

TEST(ScanWalk, HoldsLittleInMemoryWithLargeValues) {
  FakeSlots slots;
  for (int i = 0; i < 100; ++i) slots.Add("key" + std::to_string(i), std::string(8 << 20, 'v'));
  MonoTime now{1};
  auto walk = ScanWalk::Make({}, kSlots, kIdle, now);
  // Nobody takes anything: the walk stops asking.
  size_t pages = 0;
  for (auto requests = walk->Next(now); !requests.empty(); requests = walk->Next(now)) {
    for (const auto& request : requests) {
      walk->OnPage(request.slot, slots.Serve(request, ""), now);
      ++pages;
    }
  }
  EXPECT_LE(pages, 12u);
}

TEST(ScanWalk, RefusesAPrefixThatNoKeyHas) {
  v1::ScanRequest request;
  request.set_prefix(std::string(kMaxKeyBytes + 1, 'p'));
  EXPECT_EQ(ScanWalk::Make(request, kSlots, kIdle, MonoTime{1}).status().code(),
            StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace ringkv
