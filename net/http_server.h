// A small HTTP server for people and machines that watch the process: health, metrics, read-only
// JSON, pages. GET and HEAD only; another method on a known path is 405, an unknown path 404, an
// exception in a handler 500.
//
// Limits: a fixed number of threads; a bounded queue of connections behind them (when it is full
// new ones wait in the kernel's); one request a connection, so that an idle client holds no thread
// for longer than the time to send its request (2 s); requests up to 64 KiB. Thread-safety: routes
// are added before Start; handlers run on several threads at once. Start and Stop from one thread,
// not from a handler. What handlers borrow must outlive Stop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/status.h"

namespace ringkv {

struct HttpRequest {
  std::string path;
  std::map<std::string, std::string> query;  // decoded; the last of a name counts
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
};

struct HttpServerOptions {
  size_t threads = 4;
  size_t max_queued = 64;  // connections that wait for a thread
};

class HttpServer {
 public:
  using Handler = std::function<HttpResponse(const HttpRequest&)>;
  using ReadinessCheck = std::function<std::vector<std::string>()>;  // why not; empty: ready

  explicit HttpServer(HttpServerOptions options = {});
  ~HttpServer();  // stops
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // `path` is matched exactly, without the query.
  void Handle(std::string path, Handler handler);

  // /livez: 200 "ok" for as long as the process answers. /readyz: 200 "ok", or 503 with
  // {"ready":false,"reasons":[…]}.
  void HandleHealth(ReadinessCheck why_not_ready);

  // /metrics. Borrows `metrics`.
  void HandleMetrics(Metrics& metrics);

  // Listens on `address` (host:port; port 0: a free one) and serves when it returns. Unavailable:
  // the address is in use. InvalidArgument, IoError: what the system says, naming the address.
  Status Start(std::string_view address);

  // Where it listens, with the real port. After Start.
  const std::string& address() const { return address_; }
  uint16_t port() const { return port_; }

  // Takes no more connections, finishes what is being answered. Idempotent.
  void Stop();

 private:
  class Impl;  // cpp-httplib stays out of this header
  std::unique_ptr<Impl> impl_;
  std::string address_;
  uint16_t port_ = 0;
};

}  // namespace ringkv
