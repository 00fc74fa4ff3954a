#include "router/proto_json.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/hex.h"

namespace ringkv {
namespace {

using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using Json = nlohmann::ordered_json;

Json MessageJson(const Message& message);

// The name without what all values of the enum begin with: the part that ends in the longest common
// "PREFIX_".
std::string ShortName(const EnumValueDescriptor* value) {
  const auto* type = value->type();
  std::string common = type->value(0)->name();
  for (int i = 1; i < type->value_count(); ++i) {
    const std::string& name = type->value(i)->name();
    auto [end, other] = std::mismatch(common.begin(), common.end(), name.begin(), name.end());
    common.erase(end, common.end());
  }
  const size_t prefix = common.rfind('_') == std::string::npos ? 0 : common.rfind('_') + 1;
  std::string name = value->name().substr(prefix);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return name;
}

// One value: of a single field (index < 0) or of a repeated one.
Json ValueJson(const Message& message, const FieldDescriptor* field, int index) {
  const Reflection* r = message.GetReflection();
  const bool one = index < 0;
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return one ? r->GetBool(message, field) : r->GetRepeatedBool(message, field, index);
    case FieldDescriptor::CPPTYPE_INT32:
      return one ? r->GetInt32(message, field) : r->GetRepeatedInt32(message, field, index);
    case FieldDescriptor::CPPTYPE_UINT32:
      return one ? r->GetUInt32(message, field) : r->GetRepeatedUInt32(message, field, index);
    case FieldDescriptor::CPPTYPE_INT64:
      return std::to_string(one ? r->GetInt64(message, field)
                                : r->GetRepeatedInt64(message, field, index));
    case FieldDescriptor::CPPTYPE_UINT64:
      return std::to_string(one ? r->GetUInt64(message, field)
                                : r->GetRepeatedUInt64(message, field, index));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return one ? r->GetDouble(message, field) : r->GetRepeatedDouble(message, field, index);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return one ? r->GetFloat(message, field) : r->GetRepeatedFloat(message, field, index);
    case FieldDescriptor::CPPTYPE_ENUM:
      return ShortName(one ? r->GetEnum(message, field)
                           : r->GetRepeatedEnum(message, field, index));
    case FieldDescriptor::CPPTYPE_STRING: {
      std::string text =
          one ? r->GetString(message, field) : r->GetRepeatedString(message, field, index);
      return field->type() == FieldDescriptor::TYPE_BYTES ? Hex(text) : text;
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return MessageJson(one ? r->GetMessage(message, field)
                             : r->GetRepeatedMessage(message, field, index));
  }
  return nullptr;
}

Json MessageJson(const Message& message) {
  Json object = Json::object();
  const Reflection* reflection = message.GetReflection();
  const auto* type = message.GetDescriptor();
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor* field = type->field(i);
    Json& out = object[field->name()];
    if (field->is_repeated()) {
      out = Json::array();
      for (int k = 0; k < reflection->FieldSize(message, field); ++k) {
        out.push_back(ValueJson(message, field, k));
      }
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE &&
               !reflection->HasField(message, field)) {
      out = nullptr;
    } else {
      out = ValueJson(message, field, -1);
    }
  }
  return object;
}

}  // namespace

std::string ToJson(const Message& message) {
  // Text of others (an address, a reason) need not be UTF-8.
  return MessageJson(message).dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace ringkv
