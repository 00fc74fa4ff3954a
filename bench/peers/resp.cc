#include "bench/peers/resp.h"

#include <charconv>
#include <cstring>

namespace ringkv::bench {
namespace {

void AppendNumber(std::string* to, size_t number) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, number);
  to->append(digits, end.ptr);
}

bool ParseNumber(std::string_view text, int64_t* number) {
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, *number);
  return parsed.ec == std::errc() && parsed.ptr == end;
}

}  // namespace

void AppendCommand(std::string* to, std::initializer_list<std::string_view> words) {
  to->push_back('*');
  AppendNumber(to, words.size());
  to->append("\r\n");
  for (const std::string_view word : words) {
    to->push_back('$');
    AppendNumber(to, word.size());
    to->append("\r\n").append(word).append("\r\n");
  }
}

char* RespReader::Space(size_t bytes) {
  // What was given is dropped where that is cheap: when little is left to be moved.
  if (begin_ == end_) {
    begin_ = end_ = 0;
  } else if (begin_ > buffer_.size() / 2) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (buffer_.size() < end_ + bytes) buffer_.resize(end_ + bytes);
  return buffer_.data() + end_;
}

RespReader::Found RespReader::Next(RespReply* reply) {
  const std::string_view rest(buffer_.data() + begin_, end_ - begin_);
  const size_t line_end = rest.substr(0, kMaxLine).find("\r\n");
  if (line_end == std::string_view::npos) {
    return rest.size() < kMaxLine ? Found::kNotWhole : Found::kBroken;
  }
  if (line_end == 0) return Found::kBroken;
  const std::string_view line = rest.substr(1, line_end - 1);
  size_t used = line_end + 2;
  *reply = {};
  switch (rest[0]) {
    case '+':
    case '-':
      reply->kind = rest[0] == '+' ? RespReply::Kind::kSimple : RespReply::Kind::kError;
      reply->text = line;
      break;
    case ':':
      reply->kind = RespReply::Kind::kInteger;
      if (!ParseNumber(line, &reply->integer)) return Found::kBroken;
      break;
    case '$': {
      int64_t size = 0;
      if (!ParseNumber(line, &size) || size < -1) return Found::kBroken;
      if (size == -1) break;
      const auto bytes = static_cast<size_t>(size);
      if (bytes > kMaxBulk) return Found::kBroken;
      if (rest.size() < used + bytes + 2) return Found::kNotWhole;
      if (rest.substr(used + bytes, 2) != "\r\n") return Found::kBroken;
      reply->kind = RespReply::Kind::kBulk;
      reply->text = rest.substr(used, bytes);
      used += bytes + 2;
      break;
    }
    default:
      return Found::kBroken;
  }
  begin_ += used;
  return Found::kReply;
}

}  // namespace ringkv::bench
