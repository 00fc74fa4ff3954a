// What a client may ask: every field of a call is judged here, before anything is done with it.
//
// Pure functions; thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/status.h"
#include "ringkv/v1/kv.pb.h"

namespace ringkv {

inline constexpr int kMaxBatchRequestOps = 4096;
inline constexpr size_t kMaxBatchRequestBytes = 16u << 20;
inline constexpr Duration kDefaultCallTimeout = std::chrono::seconds(5);
inline constexpr Duration kMaxCallTimeout = std::chrono::minutes(10);

// Ok, or InvalidArgument that names the field, the limit and what was given. `wall_ms` is now.
Status CheckOp(const v1::Op& op, uint64_t wall_ms);

// Ok, or InvalidArgument: too many operations or bytes.
Status CheckBatch(uint64_t ops, size_t bytes);

// The key of a get, put, delete or increment; empty for a scan.
std::string_view KeyOf(const v1::Op& op);

// How long the call may take: what it asks for, at most kMaxCallTimeout; `by_default` where it asks
// for nothing.
Duration TimeoutOf(const v1::Op& op, Duration by_default);

// The status inside a result that answers `op`, made if it is not there. A result for an operation
// that names none carries it in `get`.
v1::OpStatus* MutableStatus(const v1::Op& op, v1::OpResult* result);

// The answer to a call that was certainly not applied.
v1::OpResult RefuseOp(const v1::Op& op, v1::ErrorCode code, std::string message);

const v1::OpStatus& StatusOf(const v1::OpResult& result);

// "put", "get", …; "none" for an empty one.
std::string_view KindName(v1::OpResult::ResultCase kind);
// "ok", "not_found", …
std::string CodeName(v1::ErrorCode code);

}  // namespace ringkv
