// put, get, del and incr.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <mutex>

#include "base/hex.h"
#include "base/limits.h"
#include "client/kvctl/exit_code.h"
#include "client/kvctl/session.h"

namespace ringkv {
namespace {

// The whole of a value's file, or of stdin for "-"; stops at the first byte that is too many.
Result<std::string> ReadValue(const std::string& file) {
  const auto failed = [&](const std::string& what) {
    return Status::InvalidArgument(what + " " + file + ": " + std::strerror(errno));
  };
  const bool standard_input = file == "-";
  const int fd = standard_input ? 0 : ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return failed("cannot open");
  std::string value;
  Status status;
  while (value.size() <= kMaxValueBytes) {
    constexpr size_t kChunk = 256 * 1024;
    const size_t old = value.size();
    value.resize(old + kChunk);
    const ssize_t got = ::read(fd, value.data() + old, kChunk);
    if (got < 0) status = errno == EINTR ? Status() : failed("cannot read");
    value.resize(old + static_cast<size_t>(std::max<ssize_t>(got, 0)));
    if (got == 0 || !status.ok()) break;
  }
  if (!standard_input) ::close(fd);
  if (!status.ok()) return status;
  if (value.size() > kMaxValueBytes) {
    return Status::InvalidArgument("the value in " + file +
                                   " is larger than 8388608 bytes (8 MiB), the most a value has");
  }
  return value;
}

// What became of each key of a `del`, in the order of the keys.
struct Deletions {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<WriteResult> results;
  size_t left = 0;
};

void DeleteAll(Client& client, const DelArgs& args, Deletions& deletions) {
  deletions.results.resize(args.keys.size());
  deletions.left = args.keys.size();
  for (size_t i = 0; i < args.keys.size(); ++i) {
    client.DeleteAsync(args.keys[i], {.if_version = args.if_version}, {},
                       [&deletions, i](WriteResult result) {
                         std::lock_guard lock(deletions.mutex);
                         deletions.results[i] = std::move(result);
                         if (--deletions.left == 0) deletions.changed.notify_one();
                       });
  }
  std::unique_lock lock(deletions.mutex);
  deletions.changed.wait(lock, [&] { return deletions.left == 0; });
}

// Of several endings, the one that a script must know of: unknown before refused before the rest.
int Severity(const Status& status) {
  switch (ExitCodeOf(status)) {
    case kExitDone:
      return 0;
    case kExitNo:
      return 1;
    case kExitUsage:
      return 2;
    case kExitUnavailable:
      return 3;
    case kExitRefused:
      return 4;
    default:
      return 5;
  }
}

Json DeletionJson(const DelArgs& args, const Deletions& deletions) {
  Json document;
  document["keys"] = Json::array();
  size_t deleted = 0;
  for (size_t i = 0; i < args.keys.size(); ++i) {
    const WriteResult& result = deletions.results[i];
    Json entry;
    SetBytes(entry, "key", args.keys[i]);
    entry["deleted"] = result.status.ok();
    entry["version"] = result.status.ok() ? Json(result.version.ToString()) : Json();
    const bool failed = !result.status.ok() && result.status.code() != StatusCode::kNotFound;
    entry["error"] = failed ? ErrorJson(result.status) : Json();
    document["keys"].push_back(std::move(entry));
    deleted += result.status.ok() ? 1 : 0;
  }
  document["deleted"] = std::to_string(deleted);
  return document;
}

Status Explain(const WriteResult& result, const std::string& key) {
  if (result.status.code() != StatusCode::kConditionFailed) return result.status;
  const std::string current = result.version == Version()
                                  ? std::string("is not there")
                                  : "has version " + result.version.ToString();
  return Status::ConditionFailed("the condition is not met: key " + Printable(key) + " " + current);
}

}  // namespace

int RunPut(const PutArgs& args, Session& session) {
  Result<std::string> value = args.value ? Result<std::string>(*args.value) : ReadValue(args.file);
  if (!value.ok()) return session.output.Fail(value.status());
  Result<std::unique_ptr<Client>> client = session.Connect();
  if (!client.ok()) return session.output.Fail(client.status());

  const WriteResult result = (*client)->Put(
      args.key, std::move(value).value(),
      {.ttl_ms = args.ttl_ms, .if_absent = args.if_absent, .if_version = args.if_version});
  if (!result.status.ok()) return session.output.Fail(Explain(result, args.key));
  if (session.output.json()) {
    Json document;
    SetBytes(document, "key", args.key);
    document["version"] = result.version.ToString();
    session.output.Document(document);
  }
  return kExitDone;
}

int RunGet(const GetArgs& args, Session& session) {
  Result<std::unique_ptr<Client>> client = session.Connect();
  if (!client.ok()) return session.output.Fail(client.status());
  const GetResult result = (*client)->Get(args.key);
  if (result.status.code() == StatusCode::kNotFound) {
    return session.output.Fail(Status::NotFound("key " + Printable(args.key) + " is not there"));
  }
  if (!result.status.ok()) return session.output.Fail(result.status);
  if (!session.output.json()) {
    session.output.Bytes(result.value);
    return kExitDone;
  }
  Json document;
  SetBytes(document, "key", args.key);
  SetBytes(document, "value", result.value);
  document["version"] = result.version.ToString();
  document["expires_at"] = TimeJson(result.expires_at_ms);
  session.output.Document(document);
  return kExitDone;
}

int RunDel(const DelArgs& args, Session& session) {
  Result<std::unique_ptr<Client>> client = Client::Create({.routers = session.globals.routers,
                                                           .timeout = session.globals.timeout,
                                                           .when_full = WhenFull::kWait});
  if (!client.ok()) return session.output.Fail(client.status());
  Deletions deletions;
  DeleteAll(**client, args, deletions);

  Status worst;
  bool any = false;
  for (size_t i = 0; i < args.keys.size(); ++i) {
    const WriteResult& result = deletions.results[i];
    any = any || result.status.ok();
    if (result.status.code() == StatusCode::kNotFound) continue;
    if (Severity(result.status) > Severity(worst)) worst = Explain(result, args.keys[i]);
  }
  // One key that fails is one error; of several, the document says what became of each.
  if (!worst.ok() && (args.keys.size() == 1 || !session.output.json())) {
    return session.output.Fail(args.keys.size() == 1 ? worst : worst.Annotate("not all deleted"));
  }
  if (session.output.json()) session.output.Document(DeletionJson(args, deletions));
  if (!worst.ok()) return ExitCodeOf(worst);
  if (!any && !session.output.json()) {
    Output::Note(args.keys.size() == 1 ? "key " + Printable(args.keys[0]) + " is not there"
                                       : std::string("none of the keys was there"));
  }
  return any ? kExitDone : kExitNo;
}

int RunIncr(const IncrArgs& args, Session& session) {
  Result<std::unique_ptr<Client>> client = session.Connect();
  if (!client.ok()) return session.output.Fail(client.status());
  const IncrementResult result = (*client)->Increment(args.key, args.delta);
  if (!result.status.ok()) return session.output.Fail(result.status);
  if (!session.output.json()) {
    session.output.Line(std::to_string(result.value));
    return kExitDone;
  }
  Json document;
  SetBytes(document, "key", args.key);
  document["value"] = std::to_string(result.value);
  document["version"] = result.version.ToString();
  session.output.Document(document);
  return kExitDone;
}

}  // namespace ringkv
