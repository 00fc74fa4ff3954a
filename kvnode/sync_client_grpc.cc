#include "kvnode/sync_client_grpc.h"

#include <unordered_map>
#include <utility>
#include <vector>

#include "net/grpc_door.h"

namespace ringkv {
namespace {

constexpr Duration kPatience = std::chrono::seconds(5);

v1::ReplicaOpReply Lost(uint64_t op, uint32_t attempt, std::string why) {
  v1::ReplicaOpReply reply;
  reply.set_op(op);
  reply.set_attempt(attempt);
  reply.set_code(v1::REPLICA_CODE_NOT_READY);
  reply.set_message(std::move(why));
  return reply;
}

}  // namespace

// The way to one node: the stream that is open, and what was asked on it.
class SyncClientGrpc::Link : public std::enable_shared_from_this<Link> {
 public:
  Link(SyncClientGrpc& client, std::string address, ExchangeStream::Options options)
      : clock_(client.clock_),
        live_(client.live_),
        counters_(client.counters_),
        options_(std::move(options)),
        channel_(MakeChannel(address, {.connection = Connection::kOwn})) {}

  void Ask(v1::ReplicaOp op, Answered answered) {
    std::shared_ptr<ExchangeStream> stream, impatient;
    const uint64_t asked_as = op.op();
    const uint32_t attempt = op.attempt();
    {
      std::lock_guard lock(mutex_);
      if (stream_ != nullptr && !waiting_.empty() && clock_.Now() - oldest_ >= kPatience) {
        impatient = std::exchange(stream_, nullptr);
      }
    }
    if (impatient != nullptr) impatient->Cancel();  // its end answers what was asked on it
    bool sent = false;
    {
      std::lock_guard lock(mutex_);
      if (stopped_) return;
      if (stream_ == nullptr) Open();
      if (waiting_.empty()) oldest_ = clock_.Now();
      const uint64_t number = ++last_op_;
      op.set_op(number);
      sent = stream_->Send(op);
      if (sent) waiting_[number] = {asked_as, attempt, generation_, answered};
      stream = stream_;
    }
    if (!sent) return answered(Boot(0), Lost(asked_as, attempt, "the way to the source is full"));
    stream->Flush(clock_.Now());
  }

  void Stop() {
    std::shared_ptr<ExchangeStream> stream;
    {
      std::lock_guard lock(mutex_);
      stopped_ = true;
      waiting_.clear();
      stream = std::exchange(stream_, nullptr);
    }
    if (stream != nullptr) stream->Cancel();
  }

 private:
  struct Waiting {
    uint64_t asked_as = 0;
    uint32_t attempt = 0;
    uint64_t generation = 0;
    Answered answered;
  };

  // mutex_ held.
  void Open() {
    const uint64_t generation = ++generation_;
    oldest_ = clock_.Now();
    ExchangeStream::Handlers handlers;
    handlers.on_reply =
        [self = shared_from_this()](const std::shared_ptr<v1::ReplicaBatchReply>& batch) {
          self->OnReplies(*batch);
        };
    handlers.on_end = [self = shared_from_this(), generation](const Status& why) {
      self->OnEnd(generation, why);
    };
    stream_ = ExchangeStream::Open(channel_, options_, std::move(handlers), live_, counters_);
  }

  void OnReplies(v1::ReplicaBatchReply& batch) {
    for (v1::ReplicaOpReply& reply : *batch.mutable_replies()) {
      Waiting asked;
      {
        std::lock_guard lock(mutex_);
        auto found = waiting_.find(reply.op());
        if (found == waiting_.end()) continue;  // Hello, or given up
        asked = std::move(found->second);
        waiting_.erase(found);
        oldest_ = clock_.Now();  // it answers
      }
      reply.set_op(asked.asked_as);
      asked.answered(Boot(batch.boot()), std::move(reply));
    }
  }

  void OnEnd(uint64_t generation, const Status& why) {
    std::vector<Waiting> lost;
    {
      std::lock_guard lock(mutex_);
      if (generation == generation_) stream_ = nullptr;
      for (auto at = waiting_.begin(); at != waiting_.end();) {
        if (at->second.generation != generation) {
          ++at;
          continue;
        }
        lost.push_back(std::move(at->second));
        at = waiting_.erase(at);
      }
    }
    for (Waiting& asked : lost) {
      asked.answered(Boot(0), Lost(asked.asked_as, asked.attempt,
                                   "the source cannot be reached: " + why.message()));
    }
  }

  const Clock& clock_;
  const std::shared_ptr<LiveStreams> live_;
  const std::shared_ptr<StreamCounters> counters_;
  const ExchangeStream::Options options_;
  const std::shared_ptr<grpc::Channel> channel_;

  std::mutex mutex_;
  // All guarded by mutex_.
  std::shared_ptr<ExchangeStream> stream_;
  uint64_t generation_ = 0;  // streams opened
  uint64_t last_op_ = 0;
  std::unordered_map<uint64_t, Waiting> waiting_;  // by the stream's op
  MonoTime oldest_;  // last sign of life, or since when there is something to answer
  bool stopped_ = false;
};

SyncClientGrpc::SyncClientGrpc(const Clock& clock, NodeId self)
    : clock_(clock), self_(std::move(self)) {}

SyncClientGrpc::~SyncClientGrpc() { Stop(); }

void SyncClientGrpc::SetCluster(std::string cluster_uuid) {
  std::lock_guard lock(mutex_);
  cluster_uuid_ = std::move(cluster_uuid);
}

void SyncClientGrpc::Ask(SyncQuestion question, Answered answered) {
  std::shared_ptr<Link> link;
  {
    std::lock_guard lock(mutex_);
    if (stopped_) return;
    std::shared_ptr<Link>& kept = links_[question.node + " " + question.address];
    if (kept == nullptr) {
      ExchangeStream::Options options;
      options.cluster_uuid = cluster_uuid_;
      options.node = question.node;
      options.router = "node " + self_.value();
      kept = std::make_shared<Link>(*this, question.address, std::move(options));
    }
    link = kept;
  }
  link->Ask(std::move(question.op), std::move(answered));
}

void SyncClientGrpc::Stop() {
  std::map<std::string, std::shared_ptr<Link>> links;
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
    links.swap(links_);
  }
  for (auto& [name, link] : links) link->Stop();
  live_->WaitForNone();
}

}  // namespace ringkv
