// As much of HTTP/2 (RFC 9113) as a client needs that opens a gRPC stream and then says nothing:
// frames it sends, and a reader of what it gets. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ringkv::bench {

enum class FrameType : uint8_t {
  kData = 0,
  kHeaders = 1,
  kRstStream = 3,
  kSettings = 4,
  kPing = 6,
  kGoAway = 7,
  kWindowUpdate = 8,
};

inline constexpr uint8_t kAckFlag = 1;
inline constexpr uint8_t kEndHeadersFlag = 4;

struct Frame {
  FrameType type = FrameType::kData;
  uint8_t flags = 0;
  uint32_t stream = 0;
  std::string payload;

  bool ack() const { return (flags & kAckFlag) != 0; }
};

std::string Encode(const Frame& frame);

// What a client begins with: the preface and its settings, the request of a gRPC stream of
// `method` ("/package.Service/Method"), which becomes stream 1, and a ping: its answer says that
// the server has read what was before it.
std::string OpeningOf(std::string_view method, std::string_view authority);

// Takes the first whole frame out of `bytes`. False: there is none yet.
bool TakeFrame(std::string* bytes, Frame* frame);

}  // namespace ringkv::bench
