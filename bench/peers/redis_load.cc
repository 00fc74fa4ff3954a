#include "bench/peers/redis_load.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <thread>
#include <utility>

namespace ringkv::bench {
namespace {

constexpr int kMostThreads = 2;
constexpr int kLookMs = 50;  // at who waits for too long

}  // namespace

// Some of the clients, and the thread that serves them.
class RedisLoad::Worker {
 public:
  explicit Worker(Duration patience) : patience_(patience), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    RINGKV_CHECK(epoll_ >= 0, "an epoll instance can be made");
  }
  ~Worker() {
    Join();
    ::close(epoll_);
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Before Run.
  Status Add(std::unique_ptr<RedisClient> client) {
    RINGKV_RETURN_IF_ERROR(client->Connect());
    clients_.push_back({std::move(client), {}, {}});
    Served& served = clients_.back();
    served.watched.resize(served.client->sockets());
    for (size_t socket = 0; socket < served.watched.size(); ++socket) {
      Watch(clients_.size() - 1, socket, EPOLL_CTL_ADD);
    }
    return Status::Ok();
  }

  void Run() {
    thread_ = std::thread([this] { Serve(); });
  }
  void Join() {
    if (thread_.joinable()) thread_.join();
  }

  void BeginMeasuring() {
    std::lock_guard lock(mutex_);
    figures_.BeginMeasuring();
  }
  void AddFigures(LoadFigures* to) {
    std::lock_guard lock(mutex_);
    to->Add(figures_);
  }

 private:
  struct Served {
    std::unique_ptr<RedisClient> client;
    std::vector<uint32_t> watched;  // events, by socket
    MonoTime heard;
  };

  // Until no client has anything in flight.
  void Serve() {
    {
      std::lock_guard lock(mutex_);
      for (size_t i = 0; i < clients_.size(); ++i) {
        clients_[i].heard = clock_.Now();
        clients_[i].client->Begin(&figures_);
        WatchAll(i);
      }
    }
    std::array<epoll_event, 64> events;
    MonoTime looked = clock_.Now();
    while (std::any_of(clients_.begin(), clients_.end(),
                       [](const Served& served) { return !served.client->idle(); })) {
      const int count = ::epoll_wait(epoll_, events.data(), events.size(), kLookMs);
      std::lock_guard lock(mutex_);
      const MonoTime now = clock_.Now();
      for (int i = 0; i < count; ++i) OnEvent(events[static_cast<size_t>(i)], now);
      if (now - looked < std::chrono::milliseconds(kLookMs)) continue;
      looked = now;
      for (Served& served : clients_) {
        if (now - served.heard > patience_ && !served.client->idle()) {
          served.client->GiveUp("no answer for too long", &figures_);
        }
      }
    }
  }

  // With mutex_ held.
  void OnEvent(const epoll_event& event, MonoTime now) {
    const size_t index = event.data.u64 >> 32;
    const auto socket = static_cast<size_t>(event.data.u64 & UINT32_MAX);
    Served& served = clients_[index];
    if ((event.events & EPOLLOUT) != 0) served.client->Send(socket, &figures_);
    if ((event.events & ~uint32_t{EPOLLOUT}) != 0) {
      served.heard = now;
      served.client->Receive(socket, &figures_);
      if (served.client->idle()) {  // for good: nothing of it is of interest any more
        for (size_t one = 0; one < served.watched.size(); ++one) Watch(index, one, EPOLL_CTL_DEL);
        served.watched.clear();
      }
    }
    WatchAll(index);
  }

  void WatchAll(size_t index) {
    Served& served = clients_[index];
    for (size_t socket = 0; socket < served.watched.size(); ++socket) {
      const uint32_t wanted = Wanted(index, socket);
      if (served.watched[socket] != wanted) Watch(index, socket, EPOLL_CTL_MOD);
    }
  }

  uint32_t Wanted(size_t index, size_t socket) {
    return EPOLLIN | (clients_[index].client->WantsToSend(socket) ? uint32_t{EPOLLOUT} : 0);
  }

  void Watch(size_t index, size_t socket, int how) {
    Served& served = clients_[index];
    epoll_event event{};
    event.events = served.watched[socket] = Wanted(index, socket);
    event.data.u64 = uint64_t{index} << 32 | socket;
    RINGKV_CHECK(::epoll_ctl(epoll_, how, served.client->fd(socket), &event) == 0,
                 "a socket of ours can be watched");
  }

  const Duration patience_;
  const int epoll_;
  const RealClock clock_;
  std::vector<Served> clients_;  // the thread's, once it runs
  std::thread thread_;
  std::mutex mutex_;
  LoadFigures figures_;  // guarded by mutex_
};

RedisLoad::RedisLoad(RedisTarget target, LoadShape shape, OpMix mix, KeySpace space,
                     const std::atomic<bool>* interrupted, Duration patience)
    : target_(std::move(target)),
      shape_(shape),
      patience_(patience),
      operations_(std::move(mix), space, interrupted) {}

RedisLoad::~RedisLoad() { Stop(); }

Status RedisLoad::Connect() {
  const int threads = std::min(kMostThreads, shape_.connections);
  for (int i = 0; i < threads; ++i) workers_.push_back(std::make_unique<Worker>(patience_));
  for (int i = 0; i < shape_.connections; ++i) {
    RINGKV_RETURN_IF_ERROR(workers_[static_cast<size_t>(i % threads)]->Add(
        std::make_unique<RedisClient>(target_, operations_, static_cast<size_t>(shape_.in_flight),
                                      static_cast<uint64_t>(i) + 1)));
  }
  return Status::Ok();
}

Status RedisLoad::Start() {
  RINGKV_RETURN_IF_ERROR(Connect());
  for (auto& worker : workers_) worker->Run();
  return Status::Ok();
}

void RedisLoad::BeginMeasuring() {
  for (auto& worker : workers_) worker->BeginMeasuring();
  measured_from_ = RealClock().Now();
}

LoadFigures RedisLoad::EndMeasuring() {
  LoadFigures figures;
  for (auto& worker : workers_) worker->AddFigures(&figures);
  figures.seconds = static_cast<double>((RealClock().Now() - measured_from_).count()) / 1e9;
  return figures;
}

void RedisLoad::Stop() {
  operations_.End();
  workers_.clear();  // each ends once everything is answered
}

Status RedisLoad::WriteAll() {
  operations_.EachOnce();
  RINGKV_RETURN_IF_ERROR(Start());
  for (auto& worker : workers_) worker->Join();
  const LoadFigures figures = EndMeasuring();
  workers_.clear();
  if (figures.failed > 0) return Status::Unavailable(figures.first_error);
  return Status::Ok();
}

}  // namespace ringkv::bench
