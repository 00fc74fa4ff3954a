#include "client/kvctl/bench_run.h"

#include <algorithm>
#include <cmath>

namespace ringkv {

BenchRun::BenchRun(Client& client, const BenchArgs& args, uint64_t seed)
    : client_(client), args_(args), workload_(args.workload, args.keys, seed) {
  // Bytes that do not compress, from the printable ones.
  Random random(seed + 1);
  value_.resize(args.value_size);
  for (char& c : value_) c = static_cast<char>(random.Between(' ', '~'));
}

Status BenchRun::Load() {
  std::mutex mutex;
  std::condition_variable changed;
  uint64_t in_flight = 0;
  Status first_error;
  for (uint64_t number = 0; number < args_.keys; ++number) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return in_flight < std::max<uint64_t>(args_.clients, 64); });
    if (!first_error.ok()) break;
    ++in_flight;
    lock.unlock();
    client_.PutAsync(Workload::Key(number), Value(), {.retry_unknown = true}, {},
                     [&](const WriteResult& result) {
                       std::lock_guard lock(mutex);
                       --in_flight;
                       if (first_error.ok()) first_error = result.status;
                       changed.notify_one();
                     });
  }
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return in_flight == 0; });
  return first_error;
}

MonoTime BenchRun::IntendedStart(uint64_t number) const {
  return start_ + Duration(std::llround(double(number) * 1e9 / args_.rate));
}

BenchResult BenchRun::Run() {
  std::unique_lock lock(mutex_);
  start_ = clock_.Now();
  end_ = start_ + Duration(std::llround(args_.seconds * 1e9));
  while (clock_.Now() < end_) {
    StartWhatIsDue(lock);
    MonoTime wake = end_;
    if (args_.rate > 0 && busy_ < args_.clients) wake = std::min(wake, IntendedStart(started_));
    changed_.wait_for(lock, wake - clock_.Now());
  }
  if (args_.rate > 0) {
    const auto due = static_cast<uint64_t>(args_.seconds * args_.rate);
    result_.never_started = due - std::min(due, started_);
  }
  changed_.wait(lock, [this] { return busy_ == 0; });
  result_.seconds = double((clock_.Now() - start_).count()) / 1e9;
  return result_;
}

void BenchRun::StartWhatIsDue(std::unique_lock<std::mutex>& lock) {
  while (busy_ < args_.clients) {
    const MonoTime now = clock_.Now();
    const MonoTime intended = args_.rate > 0 ? IntendedStart(started_) : now;
    if (intended > now || now >= end_) return;
    ++started_;
    ++busy_;
    const BenchOp op = workload_.Next();
    lock.unlock();
    Start(op, intended);
    lock.lock();
  }
}

void BenchRun::Start(const BenchOp& op, MonoTime intended) {
  const auto done = [this, kind = op.kind, intended](const auto& result) {
    Finished(kind, intended, result.status);
  };
  switch (op.kind) {
    case OpKind::kRead:
      return client_.GetAsync(op.key, {}, done);
    case OpKind::kUpdate:
    case OpKind::kInsert:
      return client_.PutAsync(op.key, Value(), {}, {}, done);
    case OpKind::kScan:
      return client_.ScanPageAsync({.prefix = op.key, .limit = op.limit}, "", {}, done);
    case OpKind::kReadModifyWrite:
      return client_.GetAsync(op.key, {}, [this, op, done](const GetResult& read) {
        if (!read.status.ok()) return done(read);
        client_.PutAsync(op.key, Value(), {}, {}, done);
      });
  }
}

void BenchRun::Finished(OpKind kind, MonoTime intended, const Status& status) {
  std::unique_lock lock(mutex_);
  --busy_;
  if (status.ok()) {
    ++result_.succeeded;
    result_.latency[static_cast<size_t>(kind)].Add(clock_.Now() - intended);
  } else {
    ++result_.failed;
    ++result_.errors[std::string(StatusCodeName(status.code()))];
  }
  if (clock_.Now() < end_) {
    StartWhatIsDue(lock);
    // The pacing thread plans its sleep by what has started; with a free client that has changed.
    if (args_.rate > 0 && busy_ < args_.clients) changed_.notify_one();
  } else if (busy_ == 0) {
    changed_.notify_one();
  }
}

}  // namespace ringkv
