#include "client/kvctl/import_run.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/limits.h"
#include "client/kvctl/exit_code.h"

namespace ringkv {
namespace {

constexpr size_t kMaxPuts = 1024;
constexpr size_t kMaxPutBytes = size_t{32} << 20;

Status CheckExpiry(uint64_t expires_at_ms, uint64_t now_ms) {
  // As with a TTL, no more than the limit from now; a day for clocks that differ.
  if (expires_at_ms <= now_ms + kMaxTtlMs + 24 * 3600 * 1000) return Status::Ok();
  return Status::InvalidArgument("expires_at is more than 10 years from now");
}

}  // namespace

ImportRun::ImportRun(Client& client, const ImportOptions& options)
    : client_(client), options_(options) {}

ImportSummary ImportRun::Run(LineReader& reader,
                             const std::function<void(const ImportSummary&)>& progress) {
  const RealClock clock;
  std::string_view text;
  while (true) {
    const bool stop = options_.stop != nullptr && options_.stop->load();
    const LineReader::Kind kind = stop ? LineReader::Kind::kInterrupted : reader.Next(text);
    if (kind == LineReader::Kind::kEnd) break;
    if (kind == LineReader::Kind::kInterrupted || kind == LineReader::Kind::kError) {
      std::lock_guard lock(mutex_);
      summary_.interrupted = kind == LineReader::Kind::kInterrupted;
      summary_.status = summary_.interrupted
                            ? Status::Unavailable("interrupted")
                            : Status::InvalidArgument(std::string("cannot read the input: ") +
                                                      std::strerror(reader.error()));
      break;
    }
    const uint64_t line = reader.number();
    {
      std::lock_guard lock(mutex_);
      if (stop_) break;
      summary_.lines_read = line;
      Begin(line);
      if (line < options_.resume_from || (kind == LineReader::Kind::kLine && text.empty())) {
        Complete(line);
        continue;
      }
    }
    if (kind == LineReader::Kind::kTooLong) {
      Bad(line, Status::InvalidArgument("the line is longer than " +
                                        std::to_string(kMaxRecordLineBytes) + " bytes"));
    } else if (Result<RecordLine> record = ParseRecordLine(text); !record.ok()) {
      Bad(line, record.status());
    } else if (record->expires_at_ms != 0 && record->expires_at_ms <= clock.WallMillis()) {
      std::lock_guard lock(mutex_);
      ++summary_.expired;
      Complete(line);
    } else if (Status status = CheckExpiry(record->expires_at_ms, clock.WallMillis());
               !status.ok()) {
      Bad(line, status);
    } else {
      Store(line, std::move(record).value());
    }
    std::lock_guard lock(mutex_);
    progress(summary_);
  }
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return keys_in_flight_.empty(); });
  return summary_;
}

void ImportRun::Store(uint64_t line, RecordLine record) {
  const size_t bytes = record.key.size() + record.value.size();
  Duration timeout = options_.first_timeout;
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] {
      const bool room = keys_in_flight_.empty() || (keys_in_flight_.size() < kMaxPuts &&
                                                    bytes_in_flight_ + bytes <= kMaxPutBytes);
      return stop_ || (room && !keys_in_flight_.contains(record.key));
    });
    if (stop_) return;
    keys_in_flight_.insert(record.key);
    bytes_in_flight_ += bytes;
    if (summary_.imported > 0) timeout = options_.later_timeout;
  }
  const PutOptions put{.expires_at_ms = record.expires_at_ms, .retry_unknown = true};
  std::string key = record.key;
  client_.PutAsync(std::move(record.key), std::move(record.value), put, {.timeout = timeout},
                   [this, line, bytes, key = std::move(key)](const WriteResult& result) {
                     Stored(line, key, bytes, result.status);
                   });
}

void ImportRun::Stored(uint64_t line, const std::string& key, size_t bytes, const Status& status) {
  std::lock_guard lock(mutex_);
  keys_in_flight_.erase(key);
  bytes_in_flight_ -= bytes;
  if (status.ok()) {
    ++summary_.imported;
    Complete(line);
  } else {
    ++summary_.failed;
    Note(line, status.message());
    stop_ = true;
    // Of those that were in flight together, the one that a script must know of.
    if (ExitCodeOf(status) > ExitCodeOf(summary_.status)) summary_.status = status;
  }
  changed_.notify_all();
}

void ImportRun::Bad(uint64_t line, const Status& status) {
  std::lock_guard lock(mutex_);
  ++summary_.bad;
  Note(line, status.message());
  Complete(line);  // importing it again would not help
}

void ImportRun::Note(uint64_t line, const std::string& message) {
  if (summary_.errors.size() < ImportSummary::kMaxErrors) {
    summary_.errors.push_back({.line = line, .message = message});
  }
}

void ImportRun::Begin(uint64_t line) {
  RINGKV_CHECK(line == first_open_ + open_.size(), "lines are begun in order");
  open_.push_back(false);
}

void ImportRun::Complete(uint64_t line) {
  open_[line - first_open_] = true;
  while (!open_.empty() && open_.front()) {
    open_.pop_front();
    summary_.complete_through = first_open_++;
  }
}

}  // namespace ringkv
