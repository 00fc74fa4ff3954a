// Waiting for something that other processes bring about. Blocking.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/status.h"

namespace ringkv::bench {

// Asks until the answer is ok. Unavailable: `what`, and the last answer, once `patience` is over;
// or that it was interrupted, where `interrupted` is given. An answer with kIoError is the last
// one.
inline Status WaitUntil(const std::string& what, Duration patience,
                        const std::function<Status()>& ask, const std::atomic<bool>* interrupted) {
  const RealClock clock;
  const MonoTime deadline = clock.Now() + patience;
  for (;;) {
    const Status answer = ask();
    if (answer.ok() || answer.code() == StatusCode::kIoError) return answer;
    if (interrupted != nullptr && *interrupted) return Status::Unavailable("interrupted");
    if (clock.Now() >= deadline) {
      return Status::Unavailable(what + " did not happen in time: " + answer.message());
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // between two looks
  }
}

}  // namespace ringkv::bench
