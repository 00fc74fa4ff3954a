// The table of bad input, docs/bad-input.md: one section for each file of cases.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/badinput/case_file.h"

namespace ringkv::badinput {

struct Row {
  std::string input;
  std::string message;  // lines
  std::string code;
};

// Puts names in the place of what differs from run to run: each value of `names` becomes its key,
// longest first; times in front of log lines go, and so do log lines that are no warning. Bytes
// that are no printable text become \xNN.
std::string Normalised(const std::string& output, const std::map<std::string, std::string>& names);

std::string FormatSection(const CaseFile& file, const std::vector<Row>& rows);

// Compares the section with the document; a difference is a failure of the running test, unless
// GOLDEN_REWRITE=1: then the section is written into the document. Tests that run at the same time
// do not tread on each other.
void CheckSection(const CaseFile& file, const std::string& section);

// The document without sections of files that are no more, with those of all files in order.
void CheckDocument(const std::vector<CaseFile>& files);

}  // namespace ringkv::badinput
