#include "client/kvctl/output.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/hex.h"
#include "client/kvctl/byte_text.h"
#include "client/kvctl/exit_code.h"
#include "client/kvctl/rfc3339.h"

namespace ringkv {
namespace {

constexpr size_t kBufferBytes = 64 * 1024;

// 0, or errno.
int WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return 0;
}

}  // namespace

void Output::Bytes(std::string_view bytes) {
  buffer_ += bytes;
  if (buffer_.size() >= kBufferBytes) Flush();
}

void Output::Line(std::string_view text) {
  Bytes(text);
  Bytes("\n");
}

void Output::Document(const Json& document) { Line(Dump(document)); }

// Whatever a file's name or a router's answer has in it, a terminal does not obey it.
void Output::Note(std::string_view text) {
  std::string line = "kvctl: ";
  for (const char c : text) {
    const bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    if (control && c != '\n') {
      line += "\\x" + Hex(std::string_view(&c, 1));
    } else {
      line += c;
    }
  }
  WriteAll(2, line + "\n");
}

int Output::Fail(const Status& status) {
  if (json()) {
    Document(Json{{"error", ErrorJson(status)}});
  } else {
    Flush();  // so that on a terminal the error stands below what led to it
    Note(status.message());
  }
  return ExitCodeOf(status);
}

int Output::Finish(int code) {
  Flush();
  if (write_error_ == 0) return code;
  Note(std::string("cannot write to stdout: ") + std::strerror(write_error_));
  return code == kExitDone ? kExitUnavailable : code;
}

void Output::Flush() {
  const int error = write_error_ != 0 ? write_error_ : WriteAll(1, buffer_);
  write_error_ = error;
  buffer_.clear();
}

Json ErrorJson(const Status& status) {
  std::string code(StatusCodeName(status.code()));
  std::replace_if(
      code.begin(), code.end(), [](char c) { return c == ' ' || c == '/'; }, '_');
  return Json{{"code", code}, {"message", status.message()}};
}

void SetBytes(Json& object, const std::string& name, std::string_view bytes) {
  const bool text = IsUtf8(bytes);
  object[name] = text ? Json(bytes) : Json();
  object[name + "_base64"] = text ? Json() : Json(Base64Encode(bytes));
}

Json TimeJson(uint64_t ms) { return ms == 0 ? Json() : Json(FormatRfc3339(ms)); }

std::string Dump(const Json& document) {
  return document.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace ringkv
