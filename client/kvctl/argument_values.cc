#include "client/kvctl/argument_values.h"

#include <utility>

#include "client/kvctl/byte_text.h"

namespace ringkv {

std::string TakeFirst(std::vector<std::string>& rest) {
  std::string first = std::move(rest.front());
  rest.erase(rest.begin());
  return first;
}

Status DecodeKey(const std::string& text, std::string& key) {
  const Result<std::string> bytes = Base64Decode(text);
  if (!bytes.ok()) return bytes.status().Annotate("--key-base64");
  key = *bytes;
  return Status::Ok();
}

Status TakeNode(std::vector<std::string>& rest, std::string& node) {
  if (rest.empty()) return Status::InvalidArgument("ID is missing: which node?");
  node = TakeFirst(rest);
  return NodeId::Parse(node).status();
}

Result<uint32_t> TakeNumber(const std::string& what, std::vector<std::string>& rest, uint32_t low,
                            uint32_t high) {
  if (rest.empty()) {
    return Status::InvalidArgument(what + " is missing: " + DescribeRange(low, high));
  }
  return ParseBounded<uint32_t>(what, TakeFirst(rest), low, high);
}

Status NothingLeft(const std::vector<std::string>& rest) {
  if (rest.empty()) return Status::Ok();
  return Status::InvalidArgument("unexpected argument '" + Visible(rest.front()).substr(0, 200) +
                                 "' (an argument with spaces needs quotes)");
}

}  // namespace ringkv
