// What people read of kvctl's admin commands: a table, and numbers and names as its cells show
// them. Plain functions and values; thread-compatible.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "client/kvctl/output.h"

namespace ringkv {

// Columns as wide as their widest cell; numbers to the right.
class TextTable {
 public:
  enum class Align { kLeft, kRight };
  struct Column {
    std::string title;
    Align align = Align::kLeft;
  };

  explicit TextTable(std::vector<Column> columns);

  // One cell for each column.
  void Add(std::vector<std::string> row);
  void Print(Output& output) const;

 private:
  std::string Format(const std::vector<std::string>& row) const;

  const std::vector<Column> columns_;
  std::vector<size_t> widths_;
  std::vector<std::vector<std::string>> rows_;
};

std::string Fixed(double number, int digits);
std::string Percent(double share);       // of 0 to 1
std::string ShortBytes(uint64_t bytes);  // "3.0 MiB"

// What routers say is shown, never interpreted, by a terminal.
std::string Safe(const std::string& text);
std::string OrDash(const std::string& text);

}  // namespace ringkv
