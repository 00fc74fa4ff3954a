// NodeLinks to one node that lives in memory: executes what it is sent as a node would (highest
// version wins, tombstones are kept), on the loop, one turn later. For tests of what lies above the
// links. Answers can be held back, and given later. Held and Release from any thread; the rest on
// the loop.
#pragma once

#include <atomic>
#include <map>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "router/node_links.h"

namespace ringkv {

class MemoryLinks final : public NodeLinks {
 public:
  MemoryLinks(EventLoop& loop, LinkEvents& events) : loop_(loop), events_(events) {}

  // From now on operations on keys wait; Release answers them.
  void Hold() { held_ = true; }
  void Release() {
    held_ = false;
    loop_.Post([this] { Execute(); });
  }

  bool Send(Peer, const v1::ReplicaOp& op) override {
    queue_.push_back(op);
    return true;
  }
  void SetPeer(const PeerAddress& peer) override {
    peer_ = peer.peer;
    loop_.Post([this] { events_.OnConnected(peer_, Boot(1)); });
  }
  void DropPeer(Peer) override {}
  void Flush() override {
    if (!queue_.empty()) loop_.Post([this] { Execute(); });
  }
  MonoTime NextDue() const override { return kNever; }
  void RunDue() override {}
  std::vector<LinkReport> Report() const override { return {}; }
  LinkCounts Counts() const override { return {}; }
  void Stop() override {}

 private:
  using Slot = std::map<std::string, v1::Record>;

  static std::pair<uint32_t, uint64_t> Order(const v1::Record& record) {
    return {record.version().term(), record.version().seq()};
  }

  void Execute() {
    v1::ReplicaBatchReply batch;
    batch.set_boot(1);
    std::vector<v1::ReplicaOp> kept;
    for (v1::ReplicaOp& op : queue_) {
      const bool data = op.has_apply() || op.has_read() || op.has_scan();
      if (held_ && data) {
        kept.push_back(op);
      } else {
        Answer(op, batch.add_replies());
      }
    }
    queue_ = std::move(kept);
    if (batch.replies_size() > 0) events_.OnReplies(peer_, batch);
  }

  void Answer(const v1::ReplicaOp& op, v1::ReplicaOpReply* reply) {
    reply->set_op(op.op());
    reply->set_attempt(op.attempt());
    reply->set_voting(true);
    Slot& slot = slots_[op.slot()];
    switch (op.body_case()) {
      case v1::ReplicaOp::kPromise:
        reply->mutable_promise()->set_group(op.promise().group());
        break;
      case v1::ReplicaOp::kContact:
        reply->mutable_contact();
        break;
      case v1::ReplicaOp::kApply: {
        v1::Record& stored = slot[op.apply().key()];
        if (Order(op.apply().record()) > Order(stored)) stored = op.apply().record();
        *reply->mutable_apply()->mutable_stored() = stored.version();
        break;
      }
      case v1::ReplicaOp::kRead: {
        auto found = slot.find(op.read().key());
        v1::Record* record = reply->mutable_read()->mutable_record();
        if (found != slot.end()) {
          *record = found->second;
        } else {
          record->set_tombstone(true);
        }
        break;
      }
      case v1::ReplicaOp::kScan:
        ScanPage(slot, op.scan(), reply->mutable_scan());
        break;
      default:
        reply->mutable_stats();
    }
  }

  static void ScanPage(const Slot& slot, const v1::ScanSlot& scan, v1::ScanSlotReply* reply) {
    auto it = slot.upper_bound(scan.after());
    for (; it != slot.end(); ++it) {
      if (!it->first.starts_with(scan.prefix())) continue;
      if (scan.max_entries() != 0 &&
          static_cast<uint32_t>(reply->entries_size()) >= scan.max_entries()) {
        return;
      }
      v1::SlotEntry* entry = reply->add_entries();
      entry->set_key(it->first);
      *entry->mutable_record() = it->second;
      if (scan.keys_only()) entry->mutable_record()->clear_value();
    }
    reply->set_complete(true);
  }

  EventLoop& loop_;
  LinkEvents& events_;
  Peer peer_;
  std::atomic<bool> held_{false};
  std::vector<v1::ReplicaOp> queue_;
  std::map<uint32_t, Slot> slots_;
};

}  // namespace ringkv
