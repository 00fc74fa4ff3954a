// ClientsLoad: a load of several clients that are connected, begun, looked at and ended together.
// What a client does is the loads' own: BatchLoad, and those of `bench peers`.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "base/clock.h"
#include "bench/path/load.h"
#include "bench/path/operations.h"

namespace ringkv::bench {

// Some of a load's operations in flight. What happens to them comes on threads of its own.
class LoadClient {
 public:
  virtual ~LoadClient() = default;

  // Unavailable: nobody answers there.
  virtual Status Connect() = 0;
  virtual void Begin() = 0;
  // Waits until everything is answered; also where it was not connected, or not begun. Only once
  // nothing new is begun.
  virtual void Finish() = 0;

  void BeginMeasuring() {
    std::lock_guard lock(mutex_);
    figures_.BeginMeasuring();
  }
  void AddFigures(LoadFigures* to) {
    std::lock_guard lock(mutex_);
    to->Add(figures_);
  }

 protected:
  std::mutex mutex_;
  LoadFigures figures_;  // guarded by mutex_
};

class ClientsLoad : public Load {
 public:
  ClientsLoad(const ClientsLoad&) = delete;
  ClientsLoad& operator=(const ClientsLoad&) = delete;

  Status Start() override;
  void BeginMeasuring() override;
  LoadFigures EndMeasuring() override;
  void Stop() override;
  Status WriteAll() override;

 protected:
  // `interrupted` ends the load from outside, where it is given. It is borrowed.
  ClientsLoad(OpMix mix, KeySpace space, const std::atomic<bool>* interrupted)
      : operations_(std::move(mix), space, interrupted) {}

  virtual std::vector<std::unique_ptr<LoadClient>> MakeClients() = 0;

  Operations operations_;

 private:
  MonoTime measured_from_;
  // Stopped by the destructor of the class that makes them: they use what is its own.
  std::vector<std::unique_ptr<LoadClient>> clients_;
};

}  // namespace ringkv::bench
