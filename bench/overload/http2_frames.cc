#include "bench/overload/http2_frames.h"

namespace ringkv::bench {
namespace {

constexpr size_t kHeaderBytes = 9;

void AppendNumber(std::string* out, uint32_t value, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
    out->push_back(static_cast<char>(value >> shift));
  }
}

uint32_t NumberAt(std::string_view bytes, size_t at, int count) {
  uint32_t value = 0;
  for (int i = 0; i < count; ++i) value = value << 8 | static_cast<uint8_t>(bytes[at + i]);
  return value;
}

// HPACK (RFC 7541): strings as they are, up to 126 bytes; fields "without indexing", so that there
// is no state.
void AppendText(std::string* block, std::string_view text) {
  block->push_back(static_cast<char>(text.size()));
  block->append(text);
}

std::string RequestHeaders(std::string_view method, std::string_view authority) {
  std::string block;
  block.push_back(static_cast<char>(0x83));  // :method: POST, of the static table
  block.push_back(static_cast<char>(0x86));  // :scheme: http
  block.push_back(0x04);                     // :path
  AppendText(&block, method);
  block.push_back(0x01);  // :authority
  AppendText(&block, authority);
  block.append({0x0f, 0x10});  // content-type: 31, in a prefix of four bits
  AppendText(&block, "application/grpc");
  block.push_back(0x00);  // a name of its own
  AppendText(&block, "te");
  AppendText(&block, "trailers");
  return block;
}

}  // namespace

std::string Encode(const Frame& frame) {
  std::string bytes;
  bytes.reserve(kHeaderBytes + frame.payload.size());
  AppendNumber(&bytes, static_cast<uint32_t>(frame.payload.size()), 3);
  bytes.push_back(static_cast<char>(frame.type));
  bytes.push_back(static_cast<char>(frame.flags));
  AppendNumber(&bytes, frame.stream, 4);
  return bytes + frame.payload;
}

std::string OpeningOf(std::string_view method, std::string_view authority) {
  return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + Encode({FrameType::kSettings, 0, 0, ""}) +
         Encode({FrameType::kHeaders, kEndHeadersFlag, 1, RequestHeaders(method, authority)}) +
         Encode({FrameType::kPing, 0, 0, "8 bytes."});
}

bool TakeFrame(std::string* bytes, Frame* frame) {
  if (bytes->size() < kHeaderBytes) return false;
  const uint32_t length = NumberAt(*bytes, 0, 3);
  if (bytes->size() < kHeaderBytes + length) return false;
  frame->type = static_cast<FrameType>((*bytes)[3]);
  frame->flags = static_cast<uint8_t>((*bytes)[4]);
  frame->stream = NumberAt(*bytes, 5, 4) & 0x7fffffff;  // the first bit is reserved
  frame->payload = bytes->substr(kHeaderBytes, length);
  bytes->erase(0, kHeaderBytes + length);
  return true;
}

}  // namespace ringkv::bench
