#include "router/node_link_grpc.h"

#include <algorithm>
#include <future>
#include <utility>

#include "base/check.h"
#include "net/grpc_door.h"

namespace ringkv {
namespace {

enum StreamKind : size_t { kSmall = 0, kLarge = 1, kStreamKinds = 2 };

constexpr Duration kLogInterval = std::chrono::seconds(5);

StreamKind KindOf(const v1::ReplicaOp& op) {
  if (op.has_read()) return op.read().large() ? kLarge : kSmall;
  const bool large = op.has_apply() && op.apply().record().value().size() > kLargeValueBytes;
  return large ? kLarge : kSmall;
}

}  // namespace

// One node's link. On the loop, but for what its streams post.
class GrpcNodeLinks::Link {
 public:
  Link(GrpcNodeLinks& owner, PeerAddress to)
      : owner_(owner), to_(std::move(to)), log_limiter_(kLogInterval) {
    Connect();
  }

  void Retarget(const PeerAddress& to);
  bool Send(const v1::ReplicaOp& op);
  MonoTime Flush(MonoTime now);
  void RunDue(MonoTime now);
  void Close();
  void Drop();
  LinkReport Report() const;

  bool dirty = false;  // in the owner's list

 private:
  enum class Phase { kWaiting, kConnecting, kConnected };

  void Connect();
  void OpenStream(StreamKind kind);
  void HandleReply(uint64_t session, StreamKind kind, const v1::ReplicaBatchReply& batch);
  void HandleHello(StreamKind kind, const v1::ReplicaBatchReply& batch);
  // Why this HelloReply does not do; empty: it does.
  std::string JudgeHello(const v1::ReplicaBatchReply& batch) const;
  void EndSession(std::string why, bool answers);
  void DropStreams();
  void ArmAt(MonoTime due) { due_ = due, owner_.Rearm(due); }

  GrpcNodeLinks& owner_;
  PeerAddress to_;
  Phase phase_ = Phase::kWaiting;
  uint64_t session_ = 0;  // what streams of an earlier one post is ignored
  // Those in use, and those that gRPC still holds. A channel must not die on one of gRPC's own
  // threads, where a stream may hold it last: the process's last one joins those threads, itself
  // among them.
  std::vector<std::shared_ptr<grpc::Channel>> channels_;
  std::shared_ptr<ExchangeStream> streams_[kStreamKinds];
  Boot boot_;               // of the session, once the first Hello was answered
  std::string store_uuid_;  // likewise
  MonoTime due_ = kNever;   // connecting: give up; waiting: try again
  int failures_ = 0;        // in a row
  bool answers_ = false;
  std::string why_ = "connecting";
  bool dropped_ = false;  // nobody is to be reached
  LogLimiter log_limiter_;
};

void GrpcNodeLinks::Link::Connect() {
  ++session_;
  phase_ = Phase::kConnecting;
  boot_ = Boot();
  ArmAt(owner_.clock_.Now() + owner_.options_.hello_timeout);
  OpenStream(kSmall);  // the other one follows when somebody answers
}

void GrpcNodeLinks::Link::OpenStream(StreamKind kind) {
  const NodeLinkOptions& options = owner_.options_;
  EventLoop* loop = &owner_.loop_;
  const uint64_t session = session_;
  ExchangeStream::Handlers handlers;
  // The link lives until its loop has stopped (see the header), so posted tasks may name it.
  handlers.on_reply = [this, loop, session, kind](std::shared_ptr<v1::ReplicaBatchReply> batch) {
    loop->Post(
        [this, session, kind, batch = std::move(batch)] { HandleReply(session, kind, *batch); });
  };
  handlers.on_end = [this, loop, session](Status why) {
    loop->Post([this, session, why = std::move(why)] {
      if (session == session_ && phase_ != Phase::kWaiting) EndSession(why.message(), false);
    });
  };
  ExchangeStream::Options stream;
  stream.max_ops = options.max_outbox_ops;
  stream.max_bytes = options.max_outbox_bytes;
  stream.cluster_uuid = to_.cluster_uuid;
  stream.node = to_.node.value();
  stream.router = options.router;
  stream.max_unanswered_batches = options.max_unanswered_batches;
  stream.patience = options.patience;
  ChannelOptions channel;
  channel.connection = Connection::kOwn;
  std::erase_if(channels_, [](const auto& old) { return old.use_count() == 1; });
  channels_.push_back(MakeChannel(to_.address, channel));
  streams_[kind] = ExchangeStream::Open(channels_.back(), std::move(stream), std::move(handlers),
                                        owner_.live_, owner_.counters_);
}

void GrpcNodeLinks::Link::HandleReply(uint64_t session, StreamKind kind,
                                      const v1::ReplicaBatchReply& batch) {
  if (session != session_ || owner_.stopped_) return;
  switch (phase_) {
    case Phase::kWaiting:
      return;
    case Phase::kConnecting:
      return HandleHello(kind, batch);
    case Phase::kConnected:
      if (Boot(batch.boot()) != boot_) {
        return EndSession("answered as boot " + std::to_string(batch.boot()), true);
      }
      return owner_.events_.OnReplies(to_.peer, batch);
  }
}

std::string GrpcNodeLinks::Link::JudgeHello(const v1::ReplicaBatchReply& batch) const {
  if (batch.replies_size() == 0) return "answered Hello with nothing";
  const v1::ReplicaOpReply& reply = batch.replies(0);
  if (reply.code() != v1::REPLICA_CODE_OK) {
    std::string text = v1::ReplicaCode_Name(reply.code()).substr(sizeof("REPLICA_CODE_") - 1);
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) {
      return c == '_' ? ' ' : static_cast<char>(std::tolower(c));
    });
    return reply.message().empty() ? text : text + ": " + reply.message();
  }
  if (!reply.has_hello() || batch.boot() == 0) return "answered Hello with something else";
  if (!to_.store_uuid.empty() && reply.hello().store_uuid() != to_.store_uuid) {
    return "runs from another disk than the one that is registered";
  }
  if (Boot(batch.boot()) < to_.boot) return "is an earlier process than the registered one";
  return "";
}

void GrpcNodeLinks::Link::HandleHello(StreamKind kind, const v1::ReplicaBatchReply& batch) {
  if (std::string problem = JudgeHello(batch); !problem.empty()) {
    return EndSession(std::move(problem), true);
  }
  if (kind == kSmall) {
    boot_ = Boot(batch.boot());
    store_uuid_ = batch.replies(0).hello().store_uuid();
    return OpenStream(kLarge);
  }
  if (Boot(batch.boot()) != boot_ || batch.replies(0).hello().store_uuid() != store_uuid_) {
    return EndSession("restarted while connecting", true);
  }
  phase_ = Phase::kConnected;
  due_ = kNever;
  failures_ = 0;
  why_.clear();
  answers_ = true;
  owner_.connects_.fetch_add(1, std::memory_order_relaxed);
  if (owner_.options_.log) {
    RINGKV_LOG(kInfo, "link", "node {} at {} is connected, boot {}", to_.node.value(), to_.address,
               boot_.value());
  }
  owner_.events_.OnConnected(to_.peer, boot_);
}

void GrpcNodeLinks::Link::EndSession(std::string why, bool answers) {
  const bool was_connected = phase_ == Phase::kConnected;
  phase_ = Phase::kWaiting;
  DropStreams();
  ++session_;
  why_ = std::move(why);
  answers_ = answers;
  const NodeLinkOptions& options = owner_.options_;
  // Doubles from the minimum to the maximum; between half and all of it, so that the loops and the
  // routers do not come in step.
  Duration wait = answers ? options.refused_min : options.retry_min;
  for (int i = 0; i < failures_ && wait < options.retry_max; ++i) wait *= 2;
  wait = std::min(wait, options.retry_max);
  const auto half = static_cast<uint64_t>(wait.count()) / 2;
  wait = Duration(static_cast<int64_t>(half + owner_.random_.Below(half + 1)));
  ++failures_;
  const MonoTime now = owner_.clock_.Now();
  ArmAt(now + wait);
  uint64_t suppressed = 0;
  if (options.log && (was_connected || log_limiter_.Allow(now, &suppressed))) {
    RINGKV_LOG(kWarning, "link", "node {} at {} is {}: {}", to_.node.value(), to_.address,
               was_connected ? "gone" : "not connected", why_);
  }
  if (!was_connected) return;
  owner_.disconnects_.fetch_add(1, std::memory_order_relaxed);
  owner_.events_.OnDisconnected(to_.peer);
}

void GrpcNodeLinks::Link::DropStreams() {
  for (auto& stream : streams_) {
    if (stream != nullptr) stream->Cancel();
    stream.reset();
  }
}

void GrpcNodeLinks::Link::Retarget(const PeerAddress& to) {
  if (to == to_ && !std::exchange(dropped_, false)) return;
  dropped_ = false;
  const bool same_place = to.address == to_.address && to.node == to_.node;
  const bool still_right =
      phase_ == Phase::kConnected && same_place && to.boot == boot_ && to.store_uuid == store_uuid_;
  to_ = to;
  if (still_right) return;
  if (phase_ != Phase::kWaiting) EndSession("registered again", false);
  failures_ = 0;
  ArmAt(owner_.clock_.Now());  // it has just registered: it is there now
}

bool GrpcNodeLinks::Link::Send(const v1::ReplicaOp& op) {
  if (phase_ != Phase::kConnected) return false;
  if (streams_[KindOf(op)]->Send(op)) return true;
  owner_.refused_full_.fetch_add(1, std::memory_order_relaxed);
  return false;
}

MonoTime GrpcNodeLinks::Link::Flush(MonoTime now) {
  MonoTime due = kNever;
  for (auto& stream : streams_) {
    if (stream != nullptr) due = std::min(due, stream->Flush(now));
  }
  return due;
}

void GrpcNodeLinks::Link::RunDue(MonoTime now) {
  if (now < due_) return owner_.Rearm(due_);
  due_ = kNever;
  if (phase_ == Phase::kWaiting) return Connect();
  if (phase_ == Phase::kConnecting) EndSession("does not answer", false);
}

void GrpcNodeLinks::Link::Close() {
  ++session_;
  phase_ = Phase::kWaiting;
  due_ = kNever;
  why_ = "stopped";
  DropStreams();
}

void GrpcNodeLinks::Link::Drop() {
  const bool was_connected = phase_ == Phase::kConnected;
  Close();
  dropped_ = true;
  answers_ = false;
  why_ = "not part of the cluster";
  if (!was_connected) return;
  owner_.disconnects_.fetch_add(1, std::memory_order_relaxed);
  owner_.events_.OnDisconnected(to_.peer);
}

LinkReport GrpcNodeLinks::Link::Report() const {
  LinkReport report;
  report.peer = to_.peer;
  report.connected = phase_ == Phase::kConnected;
  report.answers = answers_;
  report.why = why_;
  for (const auto& stream : streams_) {
    if (stream == nullptr) continue;
    report.queued_ops += stream->queued_ops();
    report.queued_bytes += stream->queued_bytes();
  }
  return report;
}

GrpcNodeLinks::GrpcNodeLinks(NodeLinkOptions options, const Clock& clock, EventLoop& loop,
                             LinkEvents& events)
    : options_(std::move(options)),
      clock_(clock),
      loop_(loop),
      events_(events),
      random_(RandomSeed()) {}

GrpcNodeLinks::~GrpcNodeLinks() {
  RINGKV_CHECK(live_->count() == 0, "links are stopped before they are destroyed");
}

bool GrpcNodeLinks::Send(Peer peer, const v1::ReplicaOp& op) {
  if (peer.value() >= links_.size() || links_[peer.value()] == nullptr) return false;
  Link& link = *links_[peer.value()];
  if (!link.Send(op)) return false;
  if (!link.dirty) {
    link.dirty = true;
    dirty_.push_back(&link);
  }
  return true;
}

void GrpcNodeLinks::SetPeer(const PeerAddress& peer) {
  if (stopped_) return;
  const size_t index = peer.peer.value();
  if (links_.size() <= index) links_.resize(index + 1);
  if (links_[index] == nullptr) {
    links_[index] = std::make_unique<Link>(*this, peer);
  } else {
    links_[index]->Retarget(peer);
  }
}

void GrpcNodeLinks::DropPeer(Peer peer) {
  if (stopped_ || peer.value() >= links_.size() || links_[peer.value()] == nullptr) return;
  links_[peer.value()]->Drop();
}

void GrpcNodeLinks::Flush() {
  if (dirty_.empty()) return;
  flush_due_ = kNever;
  const MonoTime now = clock_.Now();
  std::erase_if(dirty_, [&](Link* link) {
    const MonoTime due = link->Flush(now);
    flush_due_ = std::min(flush_due_, due);
    link->dirty = due != kNever;
    return !link->dirty;
  });
}

void GrpcNodeLinks::RunDue() {
  const MonoTime now = clock_.Now();
  if (now < next_due_ || stopped_) return;
  next_due_ = kNever;  // each link that waits for something says so again
  for (auto& link : links_) {
    if (link != nullptr) link->RunDue(now);
  }
}

std::vector<LinkReport> GrpcNodeLinks::Report() const {
  std::vector<LinkReport> reports;
  for (const auto& link : links_) {
    if (link != nullptr) reports.push_back(link->Report());
  }
  return reports;
}

LinkCounts GrpcNodeLinks::Counts() const {
  auto read = [](const std::atomic<uint64_t>& value) {
    return value.load(std::memory_order_relaxed);
  };
  LinkCounts counts;
  counts.batches_out = read(counters_->batches_out);
  counts.ops_out = read(counters_->ops_out);
  counts.bytes_out = read(counters_->bytes_out);
  counts.batches_in = read(counters_->batches_in);
  counts.ops_in = read(counters_->ops_in);
  counts.bytes_in = read(counters_->bytes_in);
  counts.connects = read(connects_);
  counts.disconnects = read(disconnects_);
  counts.refused_full = read(refused_full_);
  return counts;
}

void GrpcNodeLinks::Stop() {
  std::promise<void> closed;
  const bool posted = loop_.Post([this, &closed] {
    stopped_ = true;
    next_due_ = kNever;
    for (auto& link : links_) {
      if (link != nullptr) link->Close();
    }
    closed.set_value();
  });
  if (posted) closed.get_future().wait();
  live_->WaitForNone();
}

}  // namespace ringkv
