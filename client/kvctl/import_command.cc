#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "client/kvctl/exit_code.h"
#include "client/kvctl/import_run.h"
#include "client/kvctl/patience.h"
#include "client/kvctl/progress_bar.h"
#include "client/kvctl/session.h"

namespace ringkv {
namespace {

std::atomic<bool> stop_reading = false;
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler sets it");

// Ctrl-C ends the reading; what is in flight is finished and the summary says where to go on. A
// second one ends the process.
void StopReadingOnInterrupt() {
  struct sigaction action {};
  action.sa_handler = [](int) { stop_reading = true; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // no SA_RESTART: read() is to return
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

// A directory can be opened, and not read.
Result<int> OpenInput(const std::string& file) {
  if (file == "-") return 0;
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return Status::InvalidArgument("cannot open " + file + ": " + std::strerror(errno));
  }
  struct stat info {};
  if (::fstat(fd, &info) == 0 && S_ISDIR(info.st_mode)) {
    ::close(fd);
    return Status::InvalidArgument("cannot read " + file + ": it is a directory");
  }
  return fd;
}

uint64_t FileSize(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode) ? static_cast<uint64_t>(info.st_size) : 0;
}

Status Verdict(const ImportSummary& summary) {
  if (!summary.status.ok()) return summary.status;
  if (summary.bad == 0) return Status::Ok();
  return Status::InvalidArgument(std::to_string(summary.bad) +
                                 (summary.bad == 1 ? " line was" : " lines were") +
                                 " not imported");
}

Json SummaryJson(const ImportSummary& summary, const Status& verdict) {
  Json document;
  document["lines_read"] = std::to_string(summary.lines_read);
  document["imported"] = std::to_string(summary.imported);
  document["bad"] = std::to_string(summary.bad);
  document["expired"] = std::to_string(summary.expired);
  document["failed"] = std::to_string(summary.failed);
  document["complete_through_line"] = std::to_string(summary.complete_through);
  document["errors"] = Json::array();
  for (const LineError& error : summary.errors) {
    document["errors"].push_back(
        Json{{"line", std::to_string(error.line)}, {"message", error.message}});
  }
  if (!verdict.ok()) document["error"] = ErrorJson(verdict);
  return document;
}

void PrintSummary(const ImportSummary& summary, const Status& verdict, Output& output) {
  if (output.json()) {
    output.Document(SummaryJson(summary, verdict));
    return;
  }
  for (const LineError& error : summary.errors) {
    Output::Note("line " + std::to_string(error.line) + ": " + error.message);
  }
  const uint64_t more = summary.bad + summary.failed - summary.errors.size();
  if (more > 0) Output::Note("and " + std::to_string(more) + " more lines");
  output.Line("lines read: " + std::to_string(summary.lines_read) + ", imported: " +
              std::to_string(summary.imported) + ", bad: " + std::to_string(summary.bad) +
              ", expired: " + std::to_string(summary.expired) +
              ", failed: " + std::to_string(summary.failed) +
              ", complete through line: " + std::to_string(summary.complete_through));
  const bool said = !summary.errors.empty() && summary.errors.back().message == verdict.message();
  if (!verdict.ok() && !said) Output::Note(verdict.message());
  if (!summary.status.ok()) {
    Output::Note("to go on: import --resume-from " + std::to_string(summary.complete_through + 1));
  }
}

}  // namespace

int RunImport(const ImportArgs& args, Session& session) {
  const Result<int> input = OpenInput(args.file);
  if (!input.ok()) return session.output.Fail(input.status());
  const int fd = *input;
  Result<std::unique_ptr<Client>> client = session.Connect();
  if (!client.ok()) return session.output.Fail(client.status());

  StopReadingOnInterrupt();
  const uint64_t size = FileSize(fd);
  LineReader reader(fd, kMaxRecordLineBytes);
  ImportRun run(**client, {.resume_from = args.resume_from,
                           .first_timeout = session.globals.timeout,
                           .later_timeout = LaterPatience(session.globals),
                           .stop = &stop_reading});
  ImportSummary summary;
  {
    ProgressBar bar;
    summary = run.Run(reader, [&](const ImportSummary& now) {
      bar.Show(std::to_string(now.imported) + " imported",
               size == 0 ? -1.0 : double(reader.bytes_read()) / double(size));
    });
  }
  client->reset();
  if (fd != 0) ::close(fd);
  const Status verdict = Verdict(summary);
  PrintSummary(summary, verdict, session.output);
  return ExitCodeOf(verdict);
}

}  // namespace ringkv
