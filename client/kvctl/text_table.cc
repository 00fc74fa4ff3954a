#include "client/kvctl/text_table.h"

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <utility>

#include "client/kvctl/byte_text.h"

namespace ringkv {

TextTable::TextTable(std::vector<Column> columns) : columns_(std::move(columns)) {
  for (const Column& column : columns_) widths_.push_back(column.title.size());
}

void TextTable::Add(std::vector<std::string> row) {
  for (size_t i = 0; i < row.size(); ++i) widths_[i] = std::max(widths_[i], row[i].size());
  rows_.push_back(std::move(row));
}

void TextTable::Print(Output& output) const {
  std::vector<std::string> titles;
  for (const Column& column : columns_) titles.push_back(column.title);
  output.Line(Format(titles));
  for (const auto& row : rows_) output.Line(Format(row));
}

std::string TextTable::Format(const std::vector<std::string>& row) const {
  std::string line;
  for (size_t i = 0; i < row.size(); ++i) {
    const std::string space(widths_[i] - row[i].size(), ' ');
    if (i > 0) line += "  ";
    line += columns_[i].align == Align::kRight ? space + row[i] : row[i] + space;
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

std::string Fixed(double number, int digits) {
  char text[64];
  std::snprintf(text, sizeof(text), "%.*f", digits, number);
  return text;
}

std::string Percent(double share) { return Fixed(share * 100, 1) + "%"; }

std::string ShortBytes(uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double amount = static_cast<double>(bytes);
  size_t unit = 0;
  for (; amount >= 1024 && unit + 1 < std::size(kUnits); ++unit) amount /= 1024;
  return Fixed(amount, unit == 0 ? 0 : 1) + " " + kUnits[unit];
}

std::string Safe(const std::string& text) { return Visible(text); }
std::string OrDash(const std::string& text) { return text.empty() ? "-" : Safe(text); }

}  // namespace ringkv
