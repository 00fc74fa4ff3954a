#include "net/wire_grpc.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/slice.h>

#include <algorithm>
#include <utility>

namespace ringkv {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedOutputStream;

void AppendMessage(int field, const google::protobuf::MessageLite& message, size_t bytes,
                   std::string* wire) {
  const uint32_t tag = static_cast<uint32_t>(field) << 3 |
                       static_cast<uint32_t>(WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
  const size_t at = wire->size();
  const size_t prefix = CodedOutputStream::VarintSize32(tag) +
                        CodedOutputStream::VarintSize32(static_cast<uint32_t>(bytes));
  if (wire->capacity() < at + prefix + bytes) {
    wire->reserve(std::max(wire->capacity() * 2, at + prefix + bytes));
  }
  wire->resize(at + prefix + bytes);
  auto* out = reinterpret_cast<uint8_t*>(wire->data() + at);
  out = CodedOutputStream::WriteVarint32ToArray(tag, out);
  out = CodedOutputStream::WriteVarint32ToArray(static_cast<uint32_t>(bytes), out);
  message.SerializeWithCachedSizesToArray(out);
}

grpc::ByteBuffer ToByteBuffer(std::string bytes) {
  auto* kept = new std::string(std::move(bytes));
  const grpc::Slice slice(
      kept->data(), kept->size(), [](void* string) { delete static_cast<std::string*>(string); },
      kept);
  return {&slice, 1};
}

bool ParseMessage(grpc::ByteBuffer* buffer, google::protobuf::MessageLite* to) {
  return grpc::GenericDeserialize<grpc::ProtoBufferReader, google::protobuf::MessageLite>(buffer,
                                                                                          to)
      .ok();
}

}  // namespace ringkv
