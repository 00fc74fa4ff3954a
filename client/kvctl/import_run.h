// ImportRun: carries the records of a JSON Lines stream into the cluster, many puts in flight.
//
// Puts for one key never overlap, so that the last line for a key wins. A line that cannot be used
// is noted and passed over. A put is tried again, also when its outcome is unknown, until its own
// deadline; the first line that fails all the same ends the import, since the next would too. What
// is done is known by line: everything up to `complete_through` need not be imported again.
// One thread calls Run; answers come on the client's.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/status.h"
#include "client/client.h"
#include "client/kvctl/line_reader.h"
#include "client/kvctl/record_lines.h"

namespace ringkv {

struct ImportOptions {
  uint64_t resume_from = 1;                 // the first line to import
  Duration first_timeout{0};                // of a put before any has succeeded
  Duration later_timeout{0};                // and after
  const std::atomic<bool>* stop = nullptr;  // true: read no further line
};

struct LineError {
  uint64_t line = 0;
  std::string message;
};

struct ImportSummary {
  static constexpr size_t kMaxErrors = 20;

  uint64_t lines_read = 0;
  uint64_t imported = 0;
  uint64_t bad = 0;      // lines that hold no record
  uint64_t expired = 0;  // records whose time was over already: not stored
  uint64_t failed = 0;   // puts that did not succeed
  uint64_t complete_through = 0;
  std::vector<LineError> errors;  // the first of bad and failed lines
  bool interrupted = false;
  Status status;  // why the import ended early, or the worst that happened
};

class ImportRun {
 public:
  ImportRun(Client& client, const ImportOptions& options);

  // `progress` is called after each line read.
  ImportSummary Run(LineReader& reader, const std::function<void(const ImportSummary&)>& progress);

 private:
  void Store(uint64_t line, RecordLine record);
  void Stored(uint64_t line, const std::string& key, size_t bytes, const Status& status);
  void Bad(uint64_t line, const Status& status);
  void Note(uint64_t line, const std::string& message);  // with mutex_ held
  void Begin(uint64_t line);                             // with mutex_ held
  void Complete(uint64_t line);                          // with mutex_ held

  Client& client_;
  const ImportOptions options_;

  std::mutex mutex_;
  std::condition_variable changed_;
  // All guarded by mutex_.
  ImportSummary summary_;
  std::unordered_set<std::string> keys_in_flight_;
  size_t bytes_in_flight_ = 0;
  uint64_t first_open_ = 1;  // line of open_.front()
  std::deque<bool> open_;    // for each line from there on: is it complete?
  bool stop_ = false;
};

}  // namespace ringkv
