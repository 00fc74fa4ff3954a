// Messages as bytes, for streams of batches: a batch is encoded message by message as they are
// made, and gRPC carries it without knowing its type. Thousands of small messages are copied
// nowhere, and how large they are is asked once.
#pragma once

#include <google/protobuf/message_lite.h>
#include <grpcpp/support/byte_buffer.h>

#include <cstddef>
#include <string>

namespace ringkv {

// What stands before a message in a batch takes so many bytes at most.
inline constexpr size_t kWirePrefixBytes = 8;

// A further element of the batch's repeated `field`. `bytes`: message.ByteSizeLong(), which must
// have been asked since the message was last changed.
void AppendMessage(int field, const google::protobuf::MessageLite& message, size_t bytes,
                   std::string* wire);

// Without a copy.
grpc::ByteBuffer ToByteBuffer(std::string bytes);

// Empties the buffer. False: it is no such message.
bool ParseMessage(grpc::ByteBuffer* buffer, google::protobuf::MessageLite* to);

}  // namespace ringkv
