#include "bench/peers/redis_load.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <thread>
#include <utility>

namespace ringkv::bench {
namespace {

constexpr int kMostThreads = 2;
constexpr int kLookMs = 50;  // at who waits for too long

}  // namespace

// Some of the clients, and the thread that serves them.
class RedisLoad::Worker final : public LoadClient {
 public:
  // Of the load's clients, every `step`th from number `first` on.
  Worker(RedisLoad& load, int first, int step)
      : load_(load), first_(first), step_(step), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    RINGKV_CHECK(epoll_ >= 0, "an epoll instance can be made");
  }
  ~Worker() override {
    Finish();
    ::close(epoll_);
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  Status Connect() override {
    for (int i = first_; i < load_.shape_.connections; i += step_) {
      RINGKV_RETURN_IF_ERROR(Add(std::make_unique<RedisClient>(
          load_.target_, load_.operations_, static_cast<size_t>(load_.shape_.in_flight),
          static_cast<uint64_t>(i) + 1)));
    }
    return Status::Ok();
  }
  void Begin() override {
    thread_ = std::thread([this] { Serve(); });
  }
  void Finish() override {
    if (thread_.joinable()) thread_.join();
  }

 private:
  struct Served {
    std::unique_ptr<RedisClient> client;
    std::vector<uint32_t> watched;  // events, by socket
    MonoTime heard;
  };

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
        if (now - served.heard > load_.patience_ && !served.client->idle()) {
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

  RedisLoad& load_;
  const int first_;
  const int step_;
  const int epoll_;
  const RealClock clock_;
  std::vector<Served> clients_;  // the thread's, once it runs
  std::thread thread_;
};

RedisLoad::RedisLoad(RedisTarget target, LoadShape shape, OpMix mix, KeySpace space,
                     const std::atomic<bool>* interrupted, Duration patience)
    : ClientsLoad(std::move(mix), space, interrupted),
      target_(std::move(target)),
      shape_(shape),
      patience_(patience) {}

RedisLoad::~RedisLoad() { Stop(); }

std::vector<std::unique_ptr<LoadClient>> RedisLoad::MakeClients() {
  const int threads = std::min(kMostThreads, shape_.connections);
  std::vector<std::unique_ptr<LoadClient>> workers;
  for (int i = 0; i < threads; ++i) workers.push_back(std::make_unique<Worker>(*this, i, threads));
  return workers;
}

}  // namespace ringkv::bench
