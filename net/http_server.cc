#include "net/http_server.h"

#include <httplib.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "base/address.h"
#include "base/check.h"
#include "base/logging.h"
#include "net/bind_failure.h"

namespace ringkv {
namespace {

constexpr size_t kMaxRequestBytes = 64 * 1024;
constexpr time_t kRequestTimeoutSeconds = 2;  // for all of a request to arrive

// The threads that serve connections, and the bounded queue before them. A full queue holds up the
// thread that accepts, so that further connections wait in the kernel.
class ConnectionQueue final : public httplib::TaskQueue {
 public:
  ConnectionQueue(size_t threads, size_t max_queued) : max_queued_(max_queued) {
    for (size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { Run(); });
  }

  void enqueue(std::function<void()> serve) override {
    std::unique_lock lock(mutex_);
    // Never dropped: only `serve` closes its socket.
    has_room_.wait(lock, [this] { return queue_.size() < max_queued_; });
    queue_.push_back(std::move(serve));
    has_work_.notify_one();
  }

  void shutdown() override {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    has_work_.notify_all();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  void Run() {
    std::unique_lock lock(mutex_);
    while (true) {
      has_work_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      auto serve = std::move(queue_.front());
      queue_.pop_front();
      has_room_.notify_one();
      lock.unlock();
      serve();
      lock.lock();
    }
  }

  const size_t max_queued_;
  std::mutex mutex_;
  std::condition_variable has_work_;
  std::condition_variable has_room_;
  std::deque<std::function<void()>> queue_;  // guarded by mutex_
  bool stopping_ = false;                    // guarded by mutex_
  std::vector<std::thread> threads_;
};

std::string ErrorJson(std::string_view code, std::string_view message) {
  nlohmann::json json;
  json["error"] = {{"code", code}, {"message", message}};
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

HttpResponse ErrorResponse(int status, std::string_view code, std::string_view message) {
  return {status, "application/json", ErrorJson(code, message)};
}

}  // namespace

class HttpServer::Impl {
 public:
  explicit Impl(HttpServerOptions options) : options_(options) {}

  void Handle(std::string path, Handler handler) {
    RINGKV_CHECK(!thread_.joinable(), "routes are added before Start");
    bool fresh = routes_.emplace(std::move(path), std::move(handler)).second;
    RINGKV_CHECK(fresh, "a path has one handler");
  }

  // The bound port, or -1.
  int Bind(const HostPort& where) {
    server_ = std::make_unique<httplib::Server>();
    server_->new_task_queue = [this] {
      return new ConnectionQueue(options_.threads, options_.max_queued);
    };
    // The library's default sets SO_REUSEPORT: two processes on one port, and no error.
    server_->set_socket_options([](int fd) {
      int on = 1;
      ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    });
    server_->set_tcp_nodelay(true);
    server_->set_keep_alive_max_count(1);
    server_->set_keep_alive_timeout(kRequestTimeoutSeconds);
    server_->set_read_timeout(kRequestTimeoutSeconds);
    server_->set_write_timeout(5);
    server_->set_payload_max_length(kMaxRequestBytes);
    // Our own table of routes: the library's patterns are regular expressions.
    server_->set_pre_routing_handler([this](const httplib::Request& in, httplib::Response& out) {
      return Answer(in, out) ? httplib::Server::HandlerResponse::Handled
                             : httplib::Server::HandlerResponse::Unhandled;
    });
    httplib::Server::HandlerWithResponse on_error = [this](const httplib::Request& in,
                                                           httplib::Response& out) {
      AnswerError(in, out);
      return httplib::Server::HandlerResponse::Handled;
    };
    server_->set_error_handler(on_error);
    if (where.port == 0) return server_->bind_to_any_port(where.host);
    return server_->bind_to_port(where.host, where.port) ? where.port : -1;
  }

  void Run() {
    thread_ = std::thread([this] {
      server_->listen_after_bind();
      ended_ = true;
    });
    // The library forgets a stop that comes before its loop runs.
    while (!server_->is_running() && !ended_) std::this_thread::yield();
  }

  void Stop() {
    if (!thread_.joinable()) return;
    server_->stop();
    thread_.join();
    server_.reset();
  }

 private:
  // False: not a request for one of the routes.
  bool Answer(const httplib::Request& in, httplib::Response& out) {
    auto route = routes_.find(in.path);
    if (route == routes_.end() || (in.method != "GET" && in.method != "HEAD")) return false;
    HttpRequest request{.path = in.path};
    for (const auto& [name, value] : in.params) request.query[name] = value;
    HttpResponse response;
    try {
      response = route->second(request);
    } catch (const std::exception& error) {
      RINGKV_LOG_EVERY(std::chrono::seconds(5), kError, "http", "{}: {}", in.path, error.what());
      response = ErrorResponse(500, "internal", "the request failed; see the log");
    }
    Fill(response, out);
    return true;
  }

  void AnswerError(const httplib::Request& in, httplib::Response& out) {
    bool known = routes_.contains(in.path);
    bool read = in.method == "GET" || in.method == "HEAD";
    if (known && read && out.has_header("Content-Type")) return;  // a handler's own error
    if (out.status == 413) {
      Fill(ErrorResponse(413, "invalid-argument", "the request is too large"), out);
    } else if (out.status == 414) {
      Fill(ErrorResponse(414, "invalid-argument", "the path is too long"), out);
    } else if (known && !read) {
      out.set_header("Allow", "GET, HEAD");
      Fill(ErrorResponse(405, "invalid-argument", in.method + " is not allowed here"), out);
    } else if (!known && (out.status == 404 || read)) {
      Fill(ErrorResponse(404, "not-found", "no such page: " + in.path), out);
    } else {
      Fill(ErrorResponse(400, "invalid-argument", "bad request"), out);
    }
  }

  static void Fill(const HttpResponse& from, httplib::Response& out) {
    out.status = from.status;
    out.set_header("Cache-Control", "no-store");
    out.set_content(from.body, from.content_type);
  }

  const HttpServerOptions options_;
  std::map<std::string, Handler, std::less<>> routes_;
  std::unique_ptr<httplib::Server> server_;
  std::thread thread_;
  std::atomic<bool> ended_ = false;
};

HttpServer::HttpServer(HttpServerOptions options) : impl_(std::make_unique<Impl>(options)) {}

HttpServer::~HttpServer() { Stop(); }

void HttpServer::Handle(std::string path, Handler handler) {
  impl_->Handle(std::move(path), std::move(handler));
}

void HttpServer::HandleHealth(ReadinessCheck why_not_ready) {
  Handle("/livez", [](const HttpRequest&) { return HttpResponse{200, "text/plain", "ok\n"}; });
  Handle("/readyz", [check = std::move(why_not_ready)](const HttpRequest&) {
    std::vector<std::string> reasons = check();
    if (reasons.empty()) return HttpResponse{200, "text/plain", "ok\n"};
    nlohmann::json json = {{"ready", false}, {"reasons", reasons}};
    return HttpResponse{503, "application/json",
                        json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)};
  });
}

void HttpServer::HandleMetrics(Metrics& metrics) {
  Handle("/metrics", [&metrics](const HttpRequest&) {
    return HttpResponse{200, "text/plain; version=0.0.4; charset=utf-8", metrics.Expose()};
  });
}

Status HttpServer::Start(std::string_view address) {
  RINGKV_CHECK(port_ == 0, "an HttpServer starts once");
  Result<HostPort> where = ParseAddress(address, PortZero::kAllowed);
  if (!where.ok()) return where.status();
  int port = impl_->Bind(*where);
  if (port <= 0) return ExplainBindFailure(address);
  port_ = static_cast<uint16_t>(port);
  address_ = FormatAddress(where->host, port_);
  impl_->Run();
  return Status::Ok();
}

void HttpServer::Stop() { impl_->Stop(); }

}  // namespace ringkv
