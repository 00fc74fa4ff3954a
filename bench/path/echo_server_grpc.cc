#include <grpcpp/grpcpp.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <utility>

#include "bench/path/echo_server.h"
#include "net/grpc_door.h"
#include "ringkv/v1/kv.grpc.pb.h"

namespace ringkv::bench {
namespace {

class EchoCall final : public grpc::ServerBidiReactor<v1::BatchRequest, v1::BatchResponse> {
 public:
  explicit EchoCall(const std::atomic<size_t>& value_bytes) : value_bytes_(value_bytes) {
    StartRead(&request_);
  }

  void OnReadDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::OK);
    response_.Clear();
    for (const v1::Op& op : request_.ops()) {
      v1::OpResult* result = response_.add_results();
      result->set_id(op.id());
      if (op.has_get()) {
        result->mutable_get()->mutable_status()->set_outcome(v1::OUTCOME_DONE);
        result->mutable_get()->mutable_version()->set_term(1);
        result->mutable_get()->mutable_value()->assign(value_bytes_.load(), 'x');
      } else {
        result->mutable_put()->mutable_status()->set_outcome(v1::OUTCOME_DONE);
        result->mutable_put()->mutable_version()->set_term(1);
      }
    }
    StartWrite(&response_);
  }
  void OnWriteDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::OK);
    request_.Clear();
    StartRead(&request_);
  }
  void OnDone() override { delete this; }

 private:
  v1::BatchRequest request_;
  v1::BatchResponse response_;
  const std::atomic<size_t>& value_bytes_;
};

class EchoService final : public v1::Kv::CallbackService {
 public:
  std::atomic<size_t> value_bytes{100};

 private:
  grpc::ServerBidiReactor<v1::BatchRequest, v1::BatchResponse>* Batch(
      grpc::CallbackServerContext* /*context*/) override {
    return new EchoCall(value_bytes);  // until OnDone
  }
};

[[noreturn]] void Serve(int report, int lifeline) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  EchoService service;
  GrpcServer server;
  const Status started = server.Start("127.0.0.1:0", {&service});
  const std::string line = started.ok() ? server.address() : "";
  if (::write(report, line.data(), line.size()) < 0) ::_exit(1);
  ::close(report);
  // Decimal numbers, each with a line's end.
  size_t number = 0;
  for (char byte = 0; ::read(lifeline, &byte, 1) > 0;) {
    if (byte == '\n') {
      service.value_bytes = std::exchange(number, 0);
    } else {
      number = number * 10 + static_cast<size_t>(byte - '0');
    }
  }
  ::_exit(0);
}

}  // namespace

Result<EchoServer> EchoServer::Fork() {
  std::array<int, 2> report{};
  std::array<int, 2> lifeline{};
  if (::pipe(report.data()) != 0 || ::pipe(lifeline.data()) != 0) {
    return Status::IoError("cannot make a pipe");
  }
  const pid_t pid = ::fork();
  if (pid < 0) return Status::IoError("cannot make a process");
  if (pid == 0) {
    ::close(report[0]);
    ::close(lifeline[1]);
    Serve(report[1], lifeline[0]);
  }
  ::close(report[1]);
  ::close(lifeline[0]);
  std::string address;
  std::array<char, 256> buffer{};
  for (ssize_t got = 0; (got = ::read(report[0], buffer.data(), buffer.size())) > 0;) {
    address.append(buffer.data(), static_cast<size_t>(got));
  }
  ::close(report[0]);
  EchoServer server(pid, lifeline[1], address);
  if (address.empty()) return Status::Unavailable("the echo server did not start");
  return server;
}

EchoServer::EchoServer(EchoServer&& other) noexcept
    : pid_(std::exchange(other.pid_, 0)),
      lifeline_(std::exchange(other.lifeline_, -1)),
      address_(std::move(other.address_)) {}

void EchoServer::AnswerGetsWith(size_t value_bytes) {
  const std::string line = std::to_string(value_bytes) + "\n";
  (void)!::write(lifeline_, line.data(), line.size());
}

EchoServer::~EchoServer() {
  if (lifeline_ >= 0) ::close(lifeline_);
  if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
}

}  // namespace ringkv::bench
