// Output: what kvctl prints, in the form that `-o` asks for. Results go to stdout, buffered, byte
// for byte; errors to stderr as `kvctl: …`, or with `-o json` to stdout as
// {"error":{"code":"…","message":"…"}}. A stdout that cannot be written is itself an error, told by
// Finish. Thread-compatible.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/status.h"

namespace ringkv {

using Json = nlohmann::ordered_json;  // fields are printed in the order in which they were set

enum class OutputFormat { kText, kJson };

class Output {
 public:
  explicit Output(OutputFormat format) : format_(format) {}

  bool json() const { return format_ == OutputFormat::kJson; }

  void Bytes(std::string_view bytes);   // to stdout, nothing added
  void Line(std::string_view text);     // to stdout, with a newline
  void Document(const Json& document);  // to stdout, on one line

  // A remark for people, to stderr, whatever the format.
  static void Note(std::string_view text);

  // Prints the error and returns its exit code.
  int Fail(const Status& status);

  // Writes what is buffered now.
  void Flush();

  // Writes what is buffered. `code`, or the code for a stdout that could not be written.
  int Finish(int code);

 private:
  const OutputFormat format_;
  std::string buffer_;
  int write_error_ = 0;  // errno of the first write that failed
};

// {"code":…,"message":…}
Json ErrorJson(const Status& status);

// Sets `name` and `name_base64`: the bytes in one of them, null in the other.
void SetBytes(Json& object, const std::string& name, std::string_view bytes);

// RFC 3339, or null for 0.
Json TimeJson(uint64_t ms);

// One line, with whatever is no UTF-8 replaced.
std::string Dump(const Json& document);

}  // namespace ringkv
