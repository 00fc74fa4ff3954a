// Messages as JSON for people and scripts, by one rule for all: names as in the .proto, 64-bit
// numbers as strings, bytes in hexadecimal, enums as their short lower-case names ("up" for
// REACH_UP), and no field left out (a message that is not set is null). Thread-safe.
#pragma once

#include <google/protobuf/message.h>

#include <string>

namespace ringkv {

std::string ToJson(const google::protobuf::Message& message);

}  // namespace ringkv
