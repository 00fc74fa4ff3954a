#include "bench/peers/redis_client.h"

#include <utility>

#include "bench/peers/redis_slots.h"

namespace ringkv::bench {
namespace {

constexpr std::string_view kWaitMs = "5000";

std::string Unexpected(const RespReply& reply) {
  if (reply.kind == RespReply::Kind::kError) return std::string(reply.text);
  if (reply.kind == RespReply::Kind::kNull) return "the key is not there";
  return "the server answered something else";
}

}  // namespace

RedisClient::RedisClient(const RedisTarget& target, Operations& operations, size_t in_flight,
                         uint64_t seed)
    : target_(target), operations_(operations), most_in_flight_(in_flight), random_(seed) {}

Status RedisClient::Connect() {
  shards_.reserve(target_.masters.size());
  for (const std::string& master : target_.masters) {
    auto socket = RedisSocket::Connect(master);
    if (!socket.ok()) return socket.status();
    shards_.push_back({std::move(*socket), {}, {}, false});
  }
  return Status::Ok();
}

void RedisClient::Issue(LoadFigures* figures) {
  if (given_up_) return;
  const MonoTime now = clock_.Now();
  while (in_flight_ < most_in_flight_) {
    const auto operation = operations_.Next(random_);
    if (!operation) break;
    const std::string key = PathKey(operation->key);
    Shard& shard = shards_[RedisMasterOf(RedisSlotOf(key), shards_.size())];
    if (operation->read) {
      AppendCommand(&shard.socket.outgoing(), {"GET", key});
    } else {
      AppendCommand(&shard.socket.outgoing(), {"SET", key, operation->value});
      shard.wrote = true;
    }
    shard.pending.push_back({operation->read ? Kind::kGet : Kind::kSet, now});
    ++in_flight_;
  }
  for (size_t i = 0; i < shards_.size(); ++i) {
    Shard& shard = shards_[i];
    if (shard.wrote && target_.wait_for_replicas > 0) {
      AppendCommand(&shard.socket.outgoing(),
                    {"WAIT", std::to_string(target_.wait_for_replicas), kWaitMs});
      shard.pending.push_back({Kind::kWait, now});
    }
    shard.wrote = false;
    if (!shard.socket.outgoing().empty()) Send(i, figures);
  }
}

void RedisClient::Send(size_t socket, LoadFigures* figures) {
  const Status sent = shards_[socket].socket.Flush();
  if (!sent.ok()) GiveUp(sent.message(), figures);
}

void RedisClient::Receive(size_t socket, LoadFigures* figures) {
  if (given_up_) return;
  Shard& shard = shards_[socket];
  const Status received = shard.socket.Receive();
  const MonoTime now = clock_.Now();
  RespReply reply;
  RespReader::Found found = RespReader::Found::kNotWhole;
  while ((found = shard.socket.replies().Next(&reply)) == RespReader::Found::kReply) {
    if (shard.pending.empty()) return GiveUp("the server answered what nobody asked", figures);
    OnReply(shard, reply, now, figures);
  }
  if (found == RespReader::Found::kBroken)
    return GiveUp("what the server sent is no RESP", figures);
  if (!received.ok()) return GiveUp(received.message(), figures);
  Issue(figures);
}

void RedisClient::OnReply(Shard& shard, const RespReply& reply, MonoTime now,
                          LoadFigures* figures) {
  const Pending answered = shard.pending.front();
  shard.pending.pop_front();
  if (answered.kind == Kind::kWait) return OnWaitReply(shard, reply, now, figures);
  const RespReply::Kind wanted =
      answered.kind == Kind::kGet ? RespReply::Kind::kBulk : RespReply::Kind::kSimple;
  if (reply.kind == wanted && answered.kind == Kind::kSet && target_.wait_for_replicas > 0) {
    shard.unconfirmed.push_back(answered.start);
    return;
  }
  --in_flight_;
  if (reply.kind == wanted) {
    figures->Succeeded(now - answered.start);
  } else {
    figures->Failed(1, Unexpected(reply));
  }
}

void RedisClient::OnWaitReply(Shard& shard, const RespReply& reply, MonoTime now,
                              LoadFigures* figures) {
  in_flight_ -= shard.unconfirmed.size();
  if (reply.kind != RespReply::Kind::kInteger) {
    figures->Failed(shard.unconfirmed.size(), Unexpected(reply));
  } else if (reply.integer < target_.wait_for_replicas) {
    figures->Failed(shard.unconfirmed.size(), "only " + std::to_string(reply.integer) +
                                                  " replicas confirmed it within five seconds");
  } else {
    for (const MonoTime start : shard.unconfirmed) figures->Succeeded(now - start);
  }
  shard.unconfirmed.clear();
}

void RedisClient::GiveUp(const std::string& why, LoadFigures* figures) {
  if (in_flight_ > 0) figures->Failed(in_flight_, why);
  in_flight_ = 0;
  given_up_ = true;
}

}  // namespace ringkv::bench
