// How operations, records and times are written in golden scripts, and read from them. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/status.h"
#include "ringkv/v1/replica.pb.h"
#include "tests/golden/script.h"

namespace ringkv::golden {

// Wall clock at the start of a script: the "t" of "t+10s".
inline constexpr uint64_t kStartMillis = 1'700'000'000'000;

// "t+10s"; 0 is "never".
std::string WallText(uint64_t ms);

// "set-floor": the kind of an operation, as scripts name it.
std::string KindOf(const v1::ReplicaOp& op);

// "need-promise".
std::string CodeText(v1::ReplicaCode code);

// "k=v version=7.1", and what else there is to it.
std::string RecordText(std::string_view key, const v1::Record& record);

// What an operation says, without its kind, slot and sender.
std::string OpText(const v1::ReplicaOp& op);

// What an answer says: "ok, votes, stored=7.1", "stale, promised=8".
std::string ReplyText(const v1::ReplicaOpReply& reply);

// Takes what makes a record: a value (or the word `deleted`), version=, origin=, expires=t+1s and
// request=client.number. `value`: whether there is one to come.
v1::Record TakeRecord(Arguments& args, bool value);
// A wall time as WallText writes it.
uint64_t TakeWall(Arguments& args, const std::string& name, uint64_t otherwise);
void TakeRequest(Arguments& args, v1::RequestId* request);
v1::ReplicaCode TakeCode(Arguments& args);

}  // namespace ringkv::golden
