#include "client/kvctl/line_reader.h"

#include <unistd.h>

#include <cerrno>

namespace ringkv {
namespace {
constexpr size_t kReadBytes = 256 * 1024;
}

LineReader::Fill LineReader::ReadMore() {
  // What was delivered makes room; a line that has outgrown the bound keeps none of its bytes.
  if (too_long_) {
    buffer_.clear();
  } else {
    buffer_.erase(0, start_);
  }
  searched_ = too_long_ ? 0 : searched_ - start_;
  start_ = 0;

  const size_t old = buffer_.size();
  buffer_.resize(old + kReadBytes);
  const ssize_t got = ::read(fd_, buffer_.data() + old, kReadBytes);
  const int error = errno;
  buffer_.resize(old + (got > 0 ? static_cast<size_t>(got) : 0));
  if (got > 0) {
    bytes_read_ += static_cast<uint64_t>(got);
    return Fill::kMore;
  }
  if (got == 0) return Fill::kEnd;
  if (error == EINTR) return Fill::kInterrupted;
  error_ = error;
  return Fill::kError;
}

LineReader::Kind LineReader::Deliver(std::string_view& line, size_t end, size_t next) {
  const size_t begin = start_;
  start_ = searched_ = next;
  ++number_;
  if (too_long_ || end - begin > max_line_bytes_) {
    too_long_ = false;
    return Kind::kTooLong;
  }
  line = std::string_view(buffer_).substr(begin, end - begin);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return Kind::kLine;
}

LineReader::Kind LineReader::Next(std::string_view& line) {
  while (true) {
    const size_t newline = buffer_.find('\n', searched_);
    if (newline != std::string::npos) return Deliver(line, newline, newline + 1);
    searched_ = buffer_.size();
    if (end_) {
      if (start_ == buffer_.size() && !too_long_) return Kind::kEnd;
      return Deliver(line, buffer_.size(), buffer_.size());
    }
    if (buffer_.size() - start_ > max_line_bytes_) {
      too_long_ = true;
      start_ = buffer_.size();
    }
    switch (ReadMore()) {
      case Fill::kMore:
        break;
      case Fill::kEnd:
        end_ = true;
        break;
      case Fill::kError:
        return Kind::kError;
      case Fill::kInterrupted:
        return Kind::kInterrupted;
    }
  }
}

}  // namespace ringkv
