// LineReader: the lines of a file or pipe, of any size up to a bound, without ever holding more
// than one of them (and a buffer). A line ends in "\n" or "\r\n"; the last one need not. A line
// above the bound is passed over, in bounded memory, and reported as such. Thread-compatible;
// borrows `fd`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ringkv {

class LineReader {
 public:
  enum class Kind { kLine, kTooLong, kEnd, kError, kInterrupted };

  LineReader(int fd, size_t max_line_bytes) : fd_(fd), max_line_bytes_(max_line_bytes) {}

  // The next line, without its ending; good until the next call. kError: errno in `error()`.
  // kInterrupted: a signal came; the line at hand is not lost.
  Kind Next(std::string_view& line);

  uint64_t number() const { return number_; }  // of the last line, from 1
  uint64_t bytes_read() const { return bytes_read_; }
  int error() const { return error_; }

 private:
  enum class Fill { kMore, kEnd, kError, kInterrupted };
  Fill ReadMore();
  Kind Deliver(std::string_view& line, size_t end, size_t next);

  const int fd_;
  const size_t max_line_bytes_;
  std::string buffer_;
  size_t start_ = 0;       // of what was not delivered
  size_t searched_ = 0;    // no newline before this
  bool too_long_ = false;  // the line at hand; its bytes are dropped
  bool end_ = false;
  uint64_t number_ = 0;
  uint64_t bytes_read_ = 0;
  int error_ = 0;
};

}  // namespace ringkv
