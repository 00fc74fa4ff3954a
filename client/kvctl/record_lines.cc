#include "client/kvctl/record_lines.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "base/hex.h"
#include "base/limits.h"
#include "client/kvctl/byte_text.h"
#include "client/kvctl/rfc3339.h"

namespace ringkv {
namespace {

using Field = std::optional<std::string>;

struct Fields {
  Field key, key_base64, value, value_base64, expires_at;

  Field* Find(std::string_view name) {
    if (name == "key") return &key;
    if (name == "key_base64") return &key_base64;
    if (name == "value") return &value;
    if (name == "value_base64") return &value_base64;
    if (name == "expires_at") return &expires_at;
    return nullptr;
  }
};

void AppendBytes(std::string& line, std::string_view name, std::string_view bytes) {
  line += '"';
  line += name;
  if (IsUtf8(bytes)) {
    line += "\":";
    line += nlohmann::json(bytes).dump();
  } else {
    line += "_base64\":\"";
    line += Base64Encode(bytes);
    line += '"';
  }
}

// Takes the fields as the parser meets them, and stops it at the first thing that does not belong:
// no document is built, so that neither depth nor size of hostile input costs anything.
class RecordHandler final : public nlohmann::json_sax<nlohmann::json> {
 public:
  Fields fields;
  std::string error;

  bool start_object(std::size_t) override {
    return depth_++ == 0 || Fail("the field \"" + name_ + "\" is not a string");
  }
  bool end_object() override { return true; }
  bool key(string_t& name) override {
    field_ = fields.Find(name);
    if (field_ == nullptr) {
      return Fail("unknown field \"" + Printable(name) +
                  "\"; allowed: key, key_base64, value, value_base64, expires_at");
    }
    if (field_->has_value()) return Fail("the field \"" + name + "\" is there twice");
    name_ = name;
    return true;
  }
  bool string(string_t& text) override {
    if (depth_ == 0) return NoString();
    *field_ = std::move(text);
    return true;
  }
  bool null() override { return depth_ != 0 || NoString(); }
  bool boolean(bool) override { return NoString(); }
  bool number_integer(number_integer_t) override { return NoString(); }
  bool number_unsigned(number_unsigned_t) override { return NoString(); }
  bool number_float(number_float_t, const string_t&) override { return NoString(); }
  bool binary(binary_t&) override { return NoString(); }
  bool start_array(std::size_t) override { return NoString(); }
  bool end_array() override { return true; }
  bool parse_error(std::size_t, const std::string&,
                   const nlohmann::detail::exception& what) override {
    std::string text = what.what();
    // After the library's own number of the error, and its number of the line, which is always 1.
    constexpr std::string_view kLine = "at line 1, ";
    const size_t start = text.find(kLine);
    if (start != std::string::npos) text.erase(0, start + kLine.size());
    return Fail("not JSON: " + Visible(text.substr(0, 200)));
  }

 private:
  bool Fail(std::string text) {
    if (error.empty()) error = std::move(text);
    return false;
  }
  bool NoString() {
    if (depth_ == 0) return Fail(R"(not a JSON object; a line is {"key":"...","value":"..."})");
    return Fail("the field \"" + name_ + "\" is not a string");
  }

  int depth_ = 0;
  std::string name_;
  Field* field_ = nullptr;
};

// The bytes of `name` or of its base64 twin.
Result<std::string> Take(const std::string& name, Field& text, Field& base64) {
  if (text && base64) {
    return Status::InvalidArgument("both \"" + name + "\" and \"" + name +
                                   "_base64\" are there; give one");
  }
  if (text) return std::move(*text);
  if (!base64) {
    return Status::InvalidArgument("neither \"" + name + "\" nor \"" + name + "_base64\" is there");
  }
  Result<std::string> bytes = Base64Decode(*base64);
  if (!bytes.ok()) return bytes.status().Annotate(name + "_base64");
  return bytes;
}

}  // namespace

std::string FormatRecordLine(std::string_view key, std::string_view value, uint64_t expires_at_ms) {
  std::string line = "{";
  AppendBytes(line, "key", key);
  line += ',';
  AppendBytes(line, "value", value);
  if (expires_at_ms != 0) line += ",\"expires_at\":\"" + FormatRfc3339(expires_at_ms) + '"';
  line += '}';
  return line;
}

Result<RecordLine> ParseRecordLine(std::string_view line) {
  RecordHandler handler;
  if (!nlohmann::json::sax_parse(line, &handler)) {
    return Status::InvalidArgument(handler.error.empty() ? "not JSON" : handler.error);
  }
  Fields& fields = handler.fields;
  Result<std::string> key = Take("key", fields.key, fields.key_base64);
  if (!key.ok()) return key.status();
  RINGKV_RETURN_IF_ERROR(CheckKey(*key));
  Result<std::string> value = Take("value", fields.value, fields.value_base64);
  if (!value.ok()) return value.status();
  RINGKV_RETURN_IF_ERROR(CheckValueSize(value->size()));

  RecordLine record{.key = std::move(*key), .value = std::move(*value)};
  if (fields.expires_at) {
    const Result<uint64_t> expires = ParseRfc3339(*fields.expires_at);
    if (!expires.ok()) return expires.status().Annotate("expires_at");
    record.expires_at_ms = std::max<uint64_t>(*expires, 1);
  }
  return record;
}

}  // namespace ringkv
