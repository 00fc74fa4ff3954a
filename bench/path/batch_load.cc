#include "bench/path/batch_load.h"

#include <algorithm>
#include <cctype>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>

#include "base/clock.h"
#include "base/random.h"
#include "client/batch_stream_grpc.h"
#include "net/grpc_door.h"

namespace ringkv::bench {
namespace {

constexpr Duration kWakeInterval = std::chrono::milliseconds(10);

// Without the prefix that names the enum: "OUTCOME_NOT_APPLIED" to "not applied".
std::string Words(const std::string& name, size_t prefix) {
  std::string words = name.substr(std::min(prefix, name.size()));
  for (char& c : words) c = c == '_' ? ' ' : static_cast<char>(std::tolower(c));
  return words;
}

std::string FailureName(const v1::OpStatus& status) {
  return Words(v1::ErrorCode_Name(status.code()), sizeof("ERROR_CODE_") - 1) + ", " +
         Words(v1::Outcome_Name(status.outcome()), sizeof("OUTCOME_") - 1);
}

}  // namespace

// One stream. Its state is guarded by its mutex; gRPC's threads come in through Events.
class BatchLoad::Connection final : public LoadClient {
 public:
  Connection(BatchLoad& load, uint64_t seed) : load_(load), random_(seed) {
    starts_.resize(static_cast<size_t>(load.shape_.in_flight));
  }

  Status Connect() override {
    ChannelOptions options;
    options.connection = ringkv::Connection::kOwn;
    auto channel = MakeChannel(load_.address_, options);
    if (!channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(10))) {
      return Status::Unavailable("cannot connect to " + load_.address_);
    }
    std::lock_guard lock(mutex_);  // its events wait until it is known
    stream_ = BatchStream::Open(std::move(channel), std::make_unique<Events>(*this));
    return Status::Ok();
  }

  void Begin() override {
    std::lock_guard lock(mutex_);
    for (size_t slot = 0; slot < starts_.size(); ++slot) free_.push_back(slot);
    WriteFree();
  }

  // Lets operations go on whose pause is over.
  void Wake() {
    std::lock_guard lock(mutex_);
    const MonoTime now = clock_.Now();
    while (!pausing_.empty() && pausing_.front().first <= now) {
      free_.push_back(pausing_.front().second);
      pausing_.pop_front();
    }
    if (!writing_ && !broken_) WriteFree();
  }

  void Finish() override {
    if (stream_ == nullptr) return;
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return closed_ || (in_flight_ == 0 && !writing_); });
    BatchStream* stream = closed_ ? nullptr : stream_;
    lock.unlock();
    if (stream != nullptr) stream->Cancel();
    lock.lock();
    changed_.wait(lock, [this] { return closed_; });
    closing_.reset();
  }

 private:
  class Events final : public BatchStream::Events {
   public:
    explicit Events(Connection& connection) : connection_(connection) {}
    void OnResults(v1::BatchResponse results) override { connection_.OnResults(results); }
    void OnWritten() override {
      std::lock_guard lock(connection_.mutex_);
      connection_.writing_ = false;
      connection_.WriteFree();
      if (!connection_.writing_) connection_.changed_.notify_all();
    }
    void OnBroken() override {
      std::lock_guard lock(connection_.mutex_);
      connection_.broken_ = true;
      connection_.stream_->Release();
    }
    // The stream ends on the thread that waits for it: see BatchStream::Open.
    void OnClosed(std::unique_ptr<BatchStream> self, const grpc::Status& status) override {
      std::lock_guard lock(connection_.mutex_);
      if (connection_.in_flight_ > 0) {
        connection_.figures_.Failed(connection_.in_flight_,
                                    "the stream broke: " + status.error_message());
        connection_.figures_.failed_as["broken"] += connection_.in_flight_;
      }
      connection_.closing_ = std::move(self);
      connection_.closed_ = true;
      connection_.changed_.notify_all();
    }

   private:
    Connection& connection_;
  };

  void OnResults(const v1::BatchResponse& results) {
    const MonoTime now = clock_.Now();
    std::lock_guard lock(mutex_);
    for (const v1::OpResult& result : results.results()) {
      const auto slot = static_cast<size_t>(result.id());
      const v1::OpStatus& status = result.has_get() ? result.get().status() : result.put().status();
      --in_flight_;
      if (status.code() == v1::ERROR_CODE_OK) {
        figures_.Succeeded(now - starts_[slot]);
        free_.push_back(slot);
        continue;
      }
      figures_.FailedAs(FailureName(status), status.message(), now - starts_[slot]);
      const Duration pause = load_.shape_.pause_after_failure;
      if (pause > Duration::zero()) {
        pausing_.emplace_back(now + pause, slot);
      } else {
        free_.push_back(slot);
      }
    }
    if (!writing_) WriteFree();
    if (in_flight_ == 0) changed_.notify_all();
  }

  // With mutex_ held, and no write under way.
  void WriteFree() {
    v1::BatchRequest batch;
    const MonoTime now = clock_.Now();
    size_t bytes = 0;
    while (!free_.empty() && bytes < kMostBytes) {
      const auto operation = load_.operations_.Next(random_);
      if (!operation) break;
      const size_t slot = free_.back();
      free_.pop_back();
      v1::Op* op = batch.add_ops();
      op->set_id(slot);
      if (operation->read) {
        op->mutable_get()->set_key(PathKey(operation->key));
      } else {
        op->mutable_put()->set_key(PathKey(operation->key));
        op->mutable_put()->set_value(operation->value.data(), operation->value.size());
        bytes += operation->value.size();
      }
      starts_[slot] = now;
      ++in_flight_;
    }
    if (batch.ops_size() == 0) return;
    writing_ = true;
    stream_->Write(std::move(batch));
  }

  static constexpr size_t kMostBytes = 4 << 20;

  BatchLoad& load_;
  RealClock clock_;
  BatchStream* stream_ = nullptr;  // owns itself until OnClosed

  std::condition_variable changed_;
  // All guarded by mutex_.
  Random random_;
  std::vector<MonoTime> starts_;  // by the slot of the operation, which is its id
  std::vector<size_t> free_;
  std::deque<std::pair<MonoTime, size_t>> pausing_;  // slots, with the end of their pause
  size_t in_flight_ = 0;
  bool writing_ = false;
  bool broken_ = false;  // nothing may be written any more
  bool closed_ = false;
  std::unique_ptr<BatchStream> closing_;
};

BatchLoad::BatchLoad(std::string address, LoadShape shape, OpMix mix, KeySpace space,
                     const std::atomic<bool>* interrupted)
    : ClientsLoad(std::move(mix), space, interrupted),
      address_(std::move(address)),
      shape_(shape) {}

BatchLoad::~BatchLoad() { BatchLoad::Stop(); }

std::vector<std::unique_ptr<LoadClient>> BatchLoad::MakeClients() {
  std::vector<std::unique_ptr<LoadClient>> clients;
  for (int i = 0; i < shape_.connections; ++i) {
    auto connection = std::make_unique<Connection>(*this, static_cast<uint64_t>(i) + 1);
    connections_.push_back(connection.get());
    clients.push_back(std::move(connection));
  }
  return clients;
}

Status BatchLoad::Start() {
  RINGKV_RETURN_IF_ERROR(ClientsLoad::Start());
  if (shape_.pause_after_failure > Duration::zero()) {
    waker_ = std::jthread([this](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        for (Connection* connection : connections_) connection->Wake();
        std::this_thread::sleep_for(kWakeInterval);  // paces the load; waits for nothing
      }
    });
  }
  return Status::Ok();
}

void BatchLoad::Stop() {
  waker_ = {};
  ClientsLoad::Stop();
  connections_.clear();
}

}  // namespace ringkv::bench
