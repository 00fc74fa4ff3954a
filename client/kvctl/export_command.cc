#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <future>
#include <optional>

#include "client/kvctl/exit_code.h"
#include "client/kvctl/patience.h"
#include "client/kvctl/progress_bar.h"
#include "client/kvctl/record_lines.h"
#include "client/kvctl/session.h"

namespace ringkv {
namespace {

// A file that appears under its name only when it is whole and on disk; or stdout, for "-". What is
// there and is no file, such as a pipe or a device, is written to as it is.
class ExportFile {
 public:
  explicit ExportFile(std::string name)
      : name_(std::move(name)), written_(IsSpecial(name_) ? name_ : name_ + ".tmp") {}
  ~ExportFile() {
    if (fd_ > 2) ::close(fd_);
  }
  ExportFile(const ExportFile&) = delete;
  ExportFile& operator=(const ExportFile&) = delete;

  Status Open() {
    fd_ =
        name_ == "-" ? 1 : ::open(written_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd_ >= 0) return Status::Ok();
    return Status::InvalidArgument("cannot create " + written_ + ": " + std::strerror(errno));
  }

  Status Append(std::string_view bytes) {
    buffer_ += bytes;
    return buffer_.size() < kBufferBytes ? Status::Ok() : Flush();
  }

  Status Commit() {
    RINGKV_RETURN_IF_ERROR(Flush());
    if (name_ == "-" || written_ == name_) return Status::Ok();
    if (::fsync(fd_) != 0) return Failed("cannot sync");
    if (std::rename(written_.c_str(), name_.c_str()) != 0) return Failed("cannot rename");
    return Status::Ok();
  }

  void Abandon() {
    if (fd_ > 2 && written_ != name_) ::unlink(written_.c_str());
  }

 private:
  static constexpr size_t kBufferBytes = size_t{1} << 20;

  static bool IsSpecial(const std::string& name) {
    struct stat info {};
    return ::stat(name.c_str(), &info) == 0 && !S_ISREG(info.st_mode);
  }

  Status Flush() {
    std::string_view left = buffer_;
    while (!left.empty()) {
      const ssize_t written = ::write(fd_, left.data(), left.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return Failed("cannot write");
      left.remove_prefix(static_cast<size_t>(written));
    }
    buffer_.clear();
    return Status::Ok();
  }

  Status Failed(const std::string& what) const {
    return Status::IoError(what + " " + (name_ == "-" ? "to stdout" : written_) + ": " +
                           std::strerror(errno));
  }

  const std::string name_;
  const std::string written_;  // the name under which it is written
  int fd_ = -1;
  std::string buffer_;
};

std::future<ScanPage> RequestPage(Client& client, std::string cursor, Duration timeout) {
  auto promise = std::make_shared<std::promise<ScanPage>>();
  std::future<ScanPage> page = promise->get_future();
  client.ScanPageAsync({}, std::move(cursor), {.timeout = timeout},
                       [promise](ScanPage got) { promise->set_value(std::move(got)); });
  return page;
}

bool Transient(const Status& status) { return ExitCodeOf(status) == kExitUnavailable; }

// All pages into the file, the next one already on its way while one is written. A page that does
// not come in `timeout` is asked for again, with the same cursor, until `patience` is over.
Status ExportAll(Client& client, const Globals& globals, ExportFile& file, uint64_t& count) {
  const RealClock clock;
  ProgressBar bar;
  std::string cursor;
  Duration patience = globals.timeout;
  MonoTime asked = clock.Now();
  std::future<ScanPage> next = RequestPage(client, cursor, globals.timeout);
  while (true) {
    ScanPage page = next.get();
    if (!page.status.ok()) {
      const bool again = Transient(page.status) && clock.Now() - asked < patience;
      if (!again) return page.status;
      next = RequestPage(client, cursor, globals.timeout);
      continue;
    }
    const bool last = page.cursor.empty();
    cursor = std::move(page.cursor);
    patience = LaterPatience(globals);
    asked = clock.Now();
    if (!last) next = RequestPage(client, cursor, globals.timeout);
    for (const ScanEntry& entry : page.entries) {
      RINGKV_RETURN_IF_ERROR(
          file.Append(FormatRecordLine(entry.key, entry.value, entry.expires_at_ms) + '\n'));
    }
    count += page.entries.size();
    bar.Show(std::to_string(count) + " exported", -1);
    if (last) return Status::Ok();
  }
}

}  // namespace

int RunExport(const ExportArgs& args, Session& session) {
  Result<std::unique_ptr<Client>> client = session.Connect();
  if (!client.ok()) return session.output.Fail(client.status());
  ExportFile file(args.file);
  if (Status status = file.Open(); !status.ok()) return session.output.Fail(status);

  uint64_t count = 0;
  Status status = ExportAll(**client, session.globals, file, count);
  if (status.ok()) status = file.Commit();
  if (!status.ok()) {
    file.Abandon();
    return session.output.Fail(
        status.Annotate("not exported; stopped after " + std::to_string(count) + " records"));
  }
  if (args.file == "-") return kExitDone;  // stdout holds the records, and nothing else
  if (session.output.json()) {
    session.output.Document(Json{{"exported", std::to_string(count)}, {"file", args.file}});
  } else {
    session.output.Line("exported: " + std::to_string(count) + " to " + args.file);
  }
  return kExitDone;
}

}  // namespace ringkv
