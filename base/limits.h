// Limits of what users may store (a promise: see README). Checked at every door: command line,
// client library, router.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/status.h"

namespace ringkv {

inline constexpr size_t kMinKeyBytes = 1;
inline constexpr size_t kMaxKeyBytes = 4 * 1024;
inline constexpr size_t kMaxValueBytes = 8 * 1024 * 1024;
inline constexpr uint64_t kMinTtlMs = 1'000;
inline constexpr uint64_t kMaxTtlMs = 10ULL * 365 * 24 * 3600 * 1000;  // 10 years of 365 days
inline constexpr uint32_t kMaxReplicas = 7;
inline constexpr uint32_t kMinSlots = 1u << 4;
inline constexpr uint32_t kMaxSlots = 1u << 26;
inline constexpr uint32_t kMaxVnodes = 4096;

// Messages between processes: one record of the largest size and what goes around it.
inline constexpr size_t kMaxMessageBytes = 24 * 1024 * 1024;
// A batch is closed when it reaches this size; one larger operation travels alone.
inline constexpr size_t kBatchBytes = 1024 * 1024;
// Larger values travel on a stream of their own, so that nothing small waits behind them.
inline constexpr size_t kLargeValueBytes = 256 * 1024;

// Each: ok, or InvalidArgument that names the limit and what was given.
Status CheckKey(std::string_view key);
Status CheckValueSize(size_t bytes);
Status CheckTtlMs(uint64_t ttl_ms);

}  // namespace ringkv
