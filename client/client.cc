#include "client/client.h"

#include <condition_variable>
#include <mutex>
#include <utility>

#include "base/limits.h"
#include "base/random.h"
#include "client/call.h"
#include "client/dispatcher.h"

namespace ringkv {
namespace {

Version FromWire(const v1::Version& version) { return {Term(version.term()), version.seq()}; }

void ToWire(Version version, v1::Version& out) {
  out.set_term(version.term.value());
  out.set_seq(version.seq);
}

Status CheckPut(const std::string& key, const std::string& value, const PutOptions& put) {
  RINGKV_RETURN_IF_ERROR(CheckKey(key));
  RINGKV_RETURN_IF_ERROR(CheckValueSize(value.size()));
  if (put.ttl_ms != 0) RINGKV_RETURN_IF_ERROR(CheckTtlMs(put.ttl_ms));
  if (put.ttl_ms != 0 && put.expires_at_ms != 0) {
    return Status::InvalidArgument("a put has a TTL or a time at which it expires, not both");
  }
  if (put.if_absent && put.if_version) {
    return Status::InvalidArgument("if-absent and if-version cannot hold both: give one");
  }
  if (put.retry_unknown && (put.if_absent || put.if_version)) {
    return Status::InvalidArgument(
        "a put with a condition cannot be sent again when its outcome "
        "is unknown");
  }
  return Status::Ok();
}

// Waits for the one answer of an asynchronous call.
template <class T>
class Answer {
 public:
  std::function<void(T)> Callback() {
    return [this](T value) {
      std::lock_guard lock(mutex_);
      value_ = std::move(value);
      // Under the lock: the waiter destroys this object as soon as it can take it.
      arrived_.notify_one();
    };
  }
  T Wait() {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [this] { return value_.has_value(); });
    return std::move(*value_);
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::optional<T> value_;  // guarded by mutex_
};

ScanPage PageFrom(Status status, v1::ScanResponse& response) {
  ScanPage page{.status = std::move(status), .entries = {}, .cursor = {}};
  if (!page.status.ok()) return page;
  page.entries.reserve(response.entries_size());
  for (v1::ScanEntry& entry : *response.mutable_entries()) {
    page.entries.push_back({.key = std::move(*entry.mutable_key()),
                            .value = std::move(*entry.mutable_value()),
                            .version = FromWire(entry.version()),
                            .expires_at_ms = entry.expires_at_ms()});
  }
  page.cursor = std::move(*response.mutable_cursor());
  return page;
}

}  // namespace

Result<std::unique_ptr<Client>> Client::Create(ClientOptions options) {
  if (options.routers.empty()) return Status::InvalidArgument("no router is given");
  for (const std::string& address : options.routers) {
    RINGKV_RETURN_IF_ERROR(CheckAddress(address).Annotate("router"));
  }
  if (options.timeout <= Duration::zero()) {
    return Status::InvalidArgument("the timeout must be longer than nothing");
  }
  if (options.max_in_flight == 0 || options.max_in_flight_bytes == 0) {
    return Status::InvalidArgument("at least one call must be allowed in flight");
  }
  return std::unique_ptr<Client>(new Client(std::move(options)));
}

Client::Client(ClientOptions options)
    : options_(std::move(options)),
      client_id_(RandomSeed()),
      budget_(options_.max_in_flight, options_.max_in_flight_bytes),
      dispatcher_(std::make_unique<Dispatcher>(options_.routers, clock_)) {}

Client::~Client() = default;

Client::Full Client::AsyncFull() const {
  return options_.when_full == WhenFull::kWait ? Full::kWait : Full::kRefuse;
}

void Client::Submit(std::unique_ptr<Call> call, const CallOptions& options, Full full) {
  call->timeout = options.timeout > Duration::zero() ? options.timeout : options_.timeout;
  call->deadline = clock_.Now() + call->timeout;
  call->bytes = call->op.ByteSizeLong();
  const size_t bytes = call->bytes;
  const bool taken =
      full == Full::kWait ? budget_.Take(bytes, call->timeout) : budget_.TryTake(bytes);
  if (!taken) {
    call->done(
        {.status = Status::Overloaded("too many calls are in flight in this client (" +
                                      std::to_string(options_.max_in_flight) + " calls or " +
                                      std::to_string(options_.max_in_flight_bytes) + " bytes)"),
         .result = {}});
    return;
  }
  call->done = [this, bytes, done = std::move(call->done)](CallEnd end) {
    budget_.Give(bytes);  // first, so that the callback can make the next call
    done(std::move(end));
  };
  dispatcher_->Submit(std::move(call));
}

void Client::StartGet(std::string key, const CallOptions& options, Full full,
                      Callback<GetResult> done) {
  if (Status status = CheckKey(key); !status.ok()) return done({.status = std::move(status)});
  auto call = std::make_unique<Call>();
  call->read = true;
  call->op.mutable_get()->set_key(std::move(key));
  call->done = [done = std::move(done)](CallEnd end) {
    v1::GetResponse& got = *end.result.mutable_get();
    done({.status = std::move(end.status),
          .value = std::move(*got.mutable_value()),
          .version = FromWire(got.version()),
          .expires_at_ms = got.expires_at_ms()});
  };
  Submit(std::move(call), options, full);
}

void Client::StartPut(std::string key, std::string value, const PutOptions& put,
                      const CallOptions& options, Full full, Callback<WriteResult> done) {
  if (Status status = CheckPut(key, value, put); !status.ok()) {
    return done({.status = std::move(status)});
  }
  auto call = std::make_unique<Call>();
  call->retry_unknown = put.retry_unknown;
  v1::PutRequest& request = *call->op.mutable_put();
  request.set_key(std::move(key));
  request.set_value(std::move(value));
  request.set_ttl_ms(put.ttl_ms);
  request.set_expires_at_ms(put.expires_at_ms);
  request.set_if_absent(put.if_absent);
  if (put.if_version) ToWire(*put.if_version, *request.mutable_if_version());
  request.mutable_request_id()->set_client(client_id_);
  request.mutable_request_id()->set_number(++last_request_);
  call->done = [done = std::move(done)](CallEnd end) {
    done({.status = std::move(end.status), .version = FromWire(end.result.put().version())});
  };
  Submit(std::move(call), options, full);
}

void Client::StartDelete(std::string key, const DeleteOptions& del, const CallOptions& options,
                         Full full, Callback<WriteResult> done) {
  if (Status status = CheckKey(key); !status.ok()) return done({.status = std::move(status)});
  auto call = std::make_unique<Call>();
  v1::DeleteRequest& request = *call->op.mutable_del();
  request.set_key(std::move(key));
  if (del.if_version) ToWire(*del.if_version, *request.mutable_if_version());
  request.mutable_request_id()->set_client(client_id_);
  request.mutable_request_id()->set_number(++last_request_);
  call->done = [done = std::move(done)](CallEnd end) {
    done({.status = std::move(end.status), .version = FromWire(end.result.del().version())});
  };
  Submit(std::move(call), options, full);
}

void Client::StartIncrement(std::string key, int64_t delta, const CallOptions& options, Full full,
                            Callback<IncrementResult> done) {
  if (Status status = CheckKey(key); !status.ok()) return done({.status = std::move(status)});
  auto call = std::make_unique<Call>();
  v1::IncrementRequest& request = *call->op.mutable_increment();
  request.set_key(std::move(key));
  request.set_delta(delta);
  request.mutable_request_id()->set_client(client_id_);
  request.mutable_request_id()->set_number(++last_request_);
  call->done = [done = std::move(done)](CallEnd end) {
    const v1::IncrementResponse& answer = end.result.increment();
    done({.status = std::move(end.status),
          .value = answer.value(),
          .version = FromWire(answer.version())});
  };
  Submit(std::move(call), options, full);
}

void Client::StartScanPage(const ScanOptions& scan, std::string cursor, const CallOptions& options,
                           Full full, Callback<ScanPage> done) {
  if (scan.prefix.size() > kMaxKeyBytes) {
    return done(
        {.status = Status::InvalidArgument("the prefix has " + std::to_string(scan.prefix.size()) +
                                           " bytes; no key is longer than 4096 bytes")});
  }
  auto call = std::make_unique<Call>();
  call->read = true;
  v1::ScanRequest& request = *call->op.mutable_scan();
  request.set_prefix(scan.prefix);
  request.set_keys_only(scan.keys_only);
  request.set_limit(scan.limit);
  request.set_page_bytes(scan.page_bytes);
  request.set_cursor(std::move(cursor));
  call->done = [done = std::move(done)](CallEnd end) {
    done(PageFrom(std::move(end.status), *end.result.mutable_scan()));
  };
  Submit(std::move(call), options, full);
}

void Client::GetAsync(std::string key, const CallOptions& call, Callback<GetResult> done) {
  StartGet(std::move(key), call, AsyncFull(), std::move(done));
}

void Client::PutAsync(std::string key, std::string value, const PutOptions& put,
                      const CallOptions& call, Callback<WriteResult> done) {
  StartPut(std::move(key), std::move(value), put, call, AsyncFull(), std::move(done));
}

void Client::DeleteAsync(std::string key, const DeleteOptions& del, const CallOptions& call,
                         Callback<WriteResult> done) {
  StartDelete(std::move(key), del, call, AsyncFull(), std::move(done));
}

void Client::IncrementAsync(std::string key, int64_t delta, const CallOptions& call,
                            Callback<IncrementResult> done) {
  StartIncrement(std::move(key), delta, call, AsyncFull(), std::move(done));
}

void Client::ScanPageAsync(const ScanOptions& scan, std::string cursor, const CallOptions& call,
                           Callback<ScanPage> done) {
  StartScanPage(scan, std::move(cursor), call, AsyncFull(), std::move(done));
}

GetResult Client::Get(std::string key, const CallOptions& call) {
  Answer<GetResult> answer;
  StartGet(std::move(key), call, Full::kWait, answer.Callback());
  return answer.Wait();
}

WriteResult Client::Put(std::string key, std::string value, const PutOptions& put,
                        const CallOptions& call) {
  Answer<WriteResult> answer;
  StartPut(std::move(key), std::move(value), put, call, Full::kWait, answer.Callback());
  return answer.Wait();
}

WriteResult Client::Delete(std::string key, const DeleteOptions& del, const CallOptions& call) {
  Answer<WriteResult> answer;
  StartDelete(std::move(key), del, call, Full::kWait, answer.Callback());
  return answer.Wait();
}

IncrementResult Client::Increment(std::string key, int64_t delta, const CallOptions& call) {
  Answer<IncrementResult> answer;
  StartIncrement(std::move(key), delta, call, Full::kWait, answer.Callback());
  return answer.Wait();
}

ScanPage Client::ScanOnePage(const ScanOptions& scan, std::string cursor, const CallOptions& call) {
  Answer<ScanPage> answer;
  StartScanPage(scan, std::move(cursor), call, Full::kWait, answer.Callback());
  return answer.Wait();
}

Status Client::Scan(const ScanOptions& scan, const std::function<bool(ScanEntry)>& each,
                    const CallOptions& call) {
  ScanOptions rest = scan;
  std::string cursor;
  do {
    ScanPage page = ScanOnePage(rest, std::move(cursor), call);
    if (!page.status.ok()) return page.status;
    for (ScanEntry& entry : page.entries) {
      if (!each(std::move(entry))) return Status::Ok();
      if (scan.limit != 0 && --rest.limit == 0) return Status::Ok();
    }
    cursor = std::move(page.cursor);
  } while (!cursor.empty());
  return Status::Ok();
}

}  // namespace ringkv
