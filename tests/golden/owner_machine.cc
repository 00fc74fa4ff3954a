#include "tests/golden/owner_machine.h"

#include <algorithm>
#include <chrono>
#include <functional>

#include "base/config_values.h"
#include "migration/version_proto.h"
#include "tests/golden/owner_text.h"

namespace ringkv::golden {
namespace {

using std::chrono::milliseconds;

// "n4/2": a node, and the incarnation of its copy.
ReplicaGrant ParseReplica(Arguments& args, const std::string& text, uint32_t nodes) {
  const size_t slash = text.find('/');
  const auto number = ParseUint(text.starts_with('n') ? text.substr(1, slash - 1) : "");
  const auto inc = slash == text.npos ? Result<uint64_t>(1) : ParseUint(text.substr(slash + 1));
  if (number.ok() && inc.ok() && *number >= 1 && *number <= nodes) {
    return {Peer(static_cast<uint32_t>(*number - 1)), Incarnation(*inc)};
  }
  args.Complain("knows no node '" + text + "'");
  return {};
}

}  // namespace

Shard& OwnerMachine::shard() {
  if (shard_ != nullptr) return *shard_;
  NodeTransport& transport = *this;
  shard_ = std::make_unique<Shard>(options_, clock_, transport, balancer_);
  for (uint32_t i = 0; i < kNodes; ++i) {
    const std::string id = NodeName(Peer(i));
    RINGKV_CHECK(balancer_.RegisterServer(id, id + ":7500").ok(), "a new node is registered");
    shard_->AddPeer(Peer(i), NodeId::Parse(id).value(), id + ":7500");
    nodes_[Peer(i)];
  }
  shard_->OnNeedTerm([this](const TermRequest& request) { Say(RequestText(request)); });
  return *shard_;
}

Status OwnerMachine::Run(const Command& command, std::vector<std::string>* effects) {
  effects_ = effects;
  using Handler = std::function<Status(Arguments&)>;
  const std::map<std::string, Handler> handlers = {
      {"options", [this](Arguments& a) { return Options(a); }},
      {"take-group", [this](Arguments& a) { return TakeGroup(a); }},
      {"set-up", [this](Arguments& a) { return SetUp(a); }},
      {"adopt-row", [this](Arguments& a) { return AdoptRow(a); }},
      {"predecessors-gone",
       [this](Arguments& a) {
         RINGKV_RETURN_IF_ERROR(a.Finish());
         shard().PredecessorsGone();
         return Status::Ok();
       }},
      {"lease", [this](Arguments& a) { return Lease(a); }},
      {"connect", [this](Arguments& a) { return Connect(a); }},
      {"introduce", [this](Arguments& a) { return Introduce(a); }},
      {"disconnect", [this](Arguments& a) { return Disconnect(a); }},
      {"queue-full", [this](Arguments& a) { return Mark(a, &Node::queue_full, true); }},
      {"queue-free", [this](Arguments& a) { return Mark(a, &Node::queue_full, false); }},
      {"silent", [this](Arguments& a) { return Mark(a, &Node::silent, true); }},
      {"talks", [this](Arguments& a) { return Mark(a, &Node::silent, false); }},
      {"damaged", [this](Arguments& a) { return Damaged(a); }},
      {"reply", [this](Arguments& a) { return Reply(a); }},
      {"put", [this](Arguments& a) { return Put(a); }},
      {"get", [this](Arguments& a) { return Get(a); }},
      {"delete", [this](Arguments& a) { return Delete(a); }},
      {"incr", [this](Arguments& a) { return Increment(a); }},
      {"scan", [this](Arguments& a) { return Scan(a); }},
      {"look", [this](Arguments& a) { return Look(a); }},
      {"advance", [this](Arguments& a) { return Advance(a); }},
      {"wall", [this](Arguments& a) { return Wall(a); }},
      {"describe", [this](Arguments& a) { return Describe(a); }},
  };
  auto found = handlers.find(command.name);
  if (found == handlers.end()) {
    return Status::InvalidArgument("the owner has no command '" + command.name + "'");
  }
  Arguments args(command);
  RINGKV_RETURN_IF_ERROR(found->second(args));
  if (shard_ != nullptr) SayRequests();
  return Status::Ok();
}

// ---- effects --------------------------------------------------------------------------------

void OwnerMachine::Say(std::string effect) { effects_->push_back(std::move(effect)); }

bool OwnerMachine::Send(Peer peer, const v1::ReplicaOp& op) {
  Node& node = nodes_[peer];
  if (node.queue_full) return false;
  if (op.has_stats()) {
    node.pings.push_back(op.op());
    return true;
  }
  Say("-> " + NodeName(peer) + ' ' + SentText(peer, op));
  node.sent[KindOf(op)].push_back(op);
  return true;
}

std::string OwnerMachine::SentText(Peer peer, const v1::ReplicaOp& op) {
  const std::string kind = KindOf(op);
  std::string text = kind;
  const size_t earlier = nodes_[peer].sent[kind].size();
  // So that scripts can answer an earlier one. Of what is sent again and again the last one will
  // do.
  if ((op.has_apply() || op.has_read()) && earlier > 0) text += '#' + std::to_string(earlier + 1);
  text += ' ' + OpText(op);
  if (op.slot() != 0) text += " slot=" + std::to_string(op.slot());
  if (op.inc() > 1) text += " inc=" + std::to_string(op.inc());
  if (op.has_pull()) {
    const uint64_t place = syncs_.emplace(op.pull().id(), syncs_.size() + 1).first->second;
    text += " sync=" + std::to_string(place);
  }
  return text;
}

void OwnerMachine::SayRequests() {
  for (const RowRequest& request : shard().TakeRequests()) Say(RequestText(request));
}

// ---- what scripts say -----------------------------------------------------------------------

std::vector<Peer> OwnerMachine::TakeNodes(Arguments& args) {
  std::vector<Peer> peers;
  for (const std::string& name : SplitList(args.Word("a node"))) {
    peers.push_back(ParseReplica(args, name, kNodes).peer);
  }
  return peers;
}

SlotGrant OwnerMachine::TakeRow(Arguments& args) {
  SlotGrant row;
  row.slot = SlotId(static_cast<uint32_t>(args.Number("slot", 0)));
  row.epoch = args.Number("epoch", 0);
  for (const std::string& name : SplitList(args.Option("replicas").value_or("n1,n2,n3"))) {
    row.replicas.push_back(ParseReplica(args, name, kNodes));
  }
  for (const std::string& name : SplitList(args.Option("given-up").value_or(""))) {
    const Peer peer = ParseReplica(args, name, kNodes).peer;
    for (ReplicaGrant& replica : row.replicas) {
      if (replica.peer == peer) replica = {peer, Incarnation(2), /*in_place_of_lost=*/true};
    }
  }
  for (const std::string& name : SplitList(args.Option("retiring").value_or(""))) {
    row.retiring.push_back(ParseReplica(args, name, kNodes));
  }
  if (const auto name = args.Option("learner")) row.learner = ParseReplica(args, *name, kNodes);
  if (const auto name = args.Option("replaced")) row.replaced = ParseReplica(args, *name, kNodes);
  row.loss_accepted = args.YesNo("loss-accepted", false);
  return row;
}

std::optional<GroupGrant> OwnerMachine::TakeGrant(Arguments& args) {
  GroupGrant group;
  const auto term = static_cast<uint32_t>(args.Number("term", 0));
  if (term == 0) args.Complain("needs term=");
  group.term = Term(term);
  group.owner = OwnerId(uint64_t{term} * 11);
  group.first_term = args.YesNo("first-term", false);
  const std::string predecessors = args.Option("predecessors").value_or("gone");
  if (predecessors != "gone" && predecessors != "may-read") {
    args.Complain("'predecessors' are gone or may-read");
  }
  group.predecessor_gone = predecessors == "gone";
  const auto slots = static_cast<uint32_t>(args.Number("slots", 1));
  SlotGrant row = TakeRow(args);
  for (uint32_t slot = 0; slot < slots; ++slot) {
    row.slot = SlotId(slot);
    group.slots.push_back(row);
  }
  if (!args.Finish().ok()) return std::nullopt;
  return group;
}

Status OwnerMachine::Options(Arguments& args) {
  options_.max_behind_keys = args.Number("max-behind", options_.max_behind_keys);
  if (shard_ != nullptr) args.Complain("come before everything else");
  return args.Finish();
}

Status OwnerMachine::TakeGroup(Arguments& args) {
  const std::optional<GroupGrant> grant = TakeGrant(args);
  if (!grant.has_value()) return args.Finish();
  shard().TakeGroup(*grant);
  return Status::Ok();
}

Status OwnerMachine::SetUp(Arguments& args) {
  const std::optional<GroupGrant> grant = TakeGrant(args);
  if (!grant.has_value()) return args.Finish();
  std::vector<std::string> unsaid;
  std::vector<std::string>* effects = std::exchange(effects_, &unsaid);
  shard().TakeGroup(*grant);
  v1::ReplicaOpReply contact;
  contact.set_voting(true);
  contact.mutable_contact();
  for (const ReplicaGrant& replica : grant->slots[0].replicas) Meet(replica.peer, Boot(1), contact);
  effects_ = effects;
  return Status::Ok();
}

Status OwnerMachine::AdoptRow(Arguments& args) {
  const SlotGrant row = TakeRow(args);
  RINGKV_RETURN_IF_ERROR(args.Finish());
  shard().AdoptRow(GroupId(0), row);
  return Status::Ok();
}

Status OwnerMachine::Lease(Arguments& args) {
  const std::string text = args.Word("how long it lasts, or 'over'");
  const Result<Duration> left = text == "over" ? Duration::zero() : ParseDuration(text);
  if (!left.ok()) args.Complain(left.status().message());
  RINGKV_RETURN_IF_ERROR(args.Finish());
  shard().SetLeaseUntil(clock_.Now() + *left);
  return Status::Ok();
}

Status OwnerMachine::Connect(Arguments& args) {
  const std::vector<Peer> peers = TakeNodes(args);
  const Boot boot(args.Number("boot", 1));
  RINGKV_RETURN_IF_ERROR(args.Finish());
  for (Peer peer : peers) {
    nodes_[peer].boot = boot;
    nodes_[peer].connected = true;
    nodes_[peer].pings.clear();
    shard().OnConnected(peer, boot);
  }
  return Status::Ok();
}

Status OwnerMachine::Introduce(Arguments& args) {
  const std::vector<Peer> peers = TakeNodes(args);
  const Boot boot(args.Number("boot", 1));
  v1::ReplicaOpReply contact;
  contact.set_voting(args.YesNo("voting", true));
  contact.mutable_contact();
  if (const Duration tail = args.Time("lost-tail", Duration::zero()); tail != Duration::zero()) {
    contact.mutable_contact()->mutable_lost_tail()->set_window_ms(
        static_cast<uint64_t>(std::chrono::duration_cast<milliseconds>(tail).count()));
  }
  RINGKV_RETURN_IF_ERROR(args.Finish());
  for (Peer peer : peers) Meet(peer, boot, contact);
  return Status::Ok();
}

// Hello, and the answers to promise, to `create` where the copy is a new one, and to contact.
void OwnerMachine::Meet(Peer peer, Boot boot, v1::ReplicaOpReply contact) {
  Node& node = nodes_[peer];
  node.boot = boot;
  node.connected = true;
  node.voting = contact.voting();
  node.pings.clear();
  const std::string kinds[] = {"promise", "create", "contact"};
  std::map<std::string, size_t> before;
  for (const std::string& kind : kinds) before[kind] = node.sent[kind].size();
  shard().OnConnected(peer, boot);
  for (const std::string& kind : kinds) {
    if (node.sent[kind].size() == before[kind]) continue;
    v1::ReplicaOpReply reply = contact;
    if (kind != "contact") reply.clear_body();
    if (kind == "promise") reply.mutable_promise();
    reply.set_op(node.sent[kind].back().op());
    Deliver(peer, boot, std::move(reply));
  }
}

Status OwnerMachine::Disconnect(Arguments& args) {
  const std::vector<Peer> peers = TakeNodes(args);
  RINGKV_RETURN_IF_ERROR(args.Finish());
  for (Peer peer : peers) {
    nodes_[peer].connected = false;
    nodes_[peer].pings.clear();
    shard().OnDisconnected(peer);
  }
  return Status::Ok();
}

Status OwnerMachine::Mark(Arguments& args, bool Node::*what, bool as) {
  const std::vector<Peer> peers = TakeNodes(args);
  RINGKV_RETURN_IF_ERROR(args.Finish());
  for (Peer peer : peers) nodes_[peer].*what = as;
  return Status::Ok();
}

Status OwnerMachine::Damaged(Arguments& args) {
  const std::vector<Peer> peers = TakeNodes(args);
  const std::string key = args.Word("a key");
  RINGKV_RETURN_IF_ERROR(args.Finish());
  for (Peer peer : peers) nodes_[peer].damaged.push_back(key);
  return Status::Ok();
}

// ---- answers of nodes -----------------------------------------------------------------------

Status OwnerMachine::Reply(Arguments& args) {
  const std::vector<Peer> peers = TakeNodes(args);
  std::string kind = args.Word("the kind of operation that is answered");
  size_t place = 0;  // from 1; 0: the last
  if (const size_t hash = kind.find('#'); hash != kind.npos) {
    const Result<uint64_t> number = ParseUint(kind.substr(hash + 1));
    if (!number.ok() || *number == 0) args.Complain("'" + kind + "' names no operation");
    place = number.ok() ? *number : 0;
    kind.resize(hash);
  }
  const Arguments rest = args;
  for (Peer peer : peers) {
    Node& node = nodes_[peer];
    const std::vector<v1::ReplicaOp>& sent = node.sent[kind];
    if (sent.size() < std::max<size_t>(place, 1)) {
      return Status::InvalidArgument("'reply' to an operation that " + NodeName(peer) +
                                     " was not sent");
    }
    const v1::ReplicaOp op = place == 0 ? sent.back() : sent[place - 1];
    Arguments own = rest;
    const Boot boot(own.Number("boot", node.boot.value()));
    v1::ReplicaOpReply reply;
    reply.set_op(op.op());
    reply.set_attempt(op.attempt());
    reply.set_voting(own.YesNo("voting", node.voting || op.has_reinstate()));
    reply.set_code(TakeCode(own));
    reply.set_promised_term(static_cast<uint32_t>(own.Number("promised", 0)));
    if (reply.code() == v1::REPLICA_CODE_OK) FillReply(op, node, own, &reply);
    RINGKV_RETURN_IF_ERROR(own.Finish());
    if (boot == node.boot && reply.code() == v1::REPLICA_CODE_OK) node.voting = reply.voting();
    Deliver(peer, boot, std::move(reply));
  }
  return Status::Ok();
}

void OwnerMachine::FillReply(const v1::ReplicaOp& op, Node& node, Arguments& args,
                             v1::ReplicaOpReply* reply) {
  switch (op.body_case()) {
    case v1::ReplicaOp::kPromise:
      reply->mutable_promise()->set_group(op.promise().group());
      reply->set_voting(node.voting);
      break;
    case v1::ReplicaOp::kContact: {
      v1::ContactReply* contact = reply->mutable_contact();
      if (const auto floor = args.VersionIfAny("floor")) ToProto(*floor, contact->mutable_floor());
      const Duration tail = args.Time("lost-tail", Duration::zero());
      if (tail != Duration::zero()) {
        contact->mutable_lost_tail()->set_window_ms(
            static_cast<uint64_t>(std::chrono::duration_cast<milliseconds>(tail).count()));
      }
      break;
    }
    case v1::ReplicaOp::kApply:
      ToProto(args.VersionIfAny("stored").value_or(FromProto(op.apply().record().version())),
              reply->mutable_apply()->mutable_stored());
      break;
    case v1::ReplicaOp::kRead: {
      v1::ReadReply* read = reply->mutable_read();
      read->set_absent(args.Flag("absent"));
      if (read->absent()) {
        ToProto(args.VersionIfAny("floor").value_or(Version{}),
                read->mutable_record()->mutable_version());
        read->mutable_record()->set_tombstone(true);
      } else {
        *read->mutable_record() = TakeRecord(args, true);
      }
      break;
    }
    case v1::ReplicaOp::kScan: {
      v1::ScanSlotReply* page = reply->mutable_scan();
      page->set_complete(!args.Flag("more"));
      while (const auto word = args.WordIfAny()) {  // key:value@version
        const size_t colon = word->find(':'), at = word->rfind('@');
        const auto version = ParseVersion(at == word->npos ? "" : word->substr(at + 1));
        if (colon == word->npos || at < colon || !version.ok()) {
          args.Complain("needs entries like key:value@7.1, not '" + *word + "'");
          return;
        }
        v1::SlotEntry* entry = page->add_entries();
        entry->set_key(word->substr(0, colon));
        const std::string value = word->substr(colon + 1, at - colon - 1);
        entry->mutable_record()->set_tombstone(value == "deleted");
        if (value != "deleted") entry->mutable_record()->set_value(value);
        ToProto(*version, entry->mutable_record()->mutable_version());
      }
      break;
    }
    case v1::ReplicaOp::kPull: {
      v1::PullReply* pull = reply->mutable_pull();
      const bool done = args.Flag("done"), running = args.Flag("running");
      if (done == running) args.Complain("of a pull says 'done' or 'running'");
      pull->set_id(op.pull().id());
      pull->set_state(done ? v1::PULL_STATE_DONE : v1::PULL_STATE_RUNNING);
      pull->set_steps(args.Number("steps", 1));
      pull->set_reports_from(op.pull().reports_taken());
      for (const std::string& key : SplitList(args.Option("reported").value_or(""))) {
        pull->add_reported(key);
      }
      pull->set_reports_total(op.pull().reports_taken() +
                              static_cast<uint64_t>(pull->reported_size()));
      break;
    }
    case v1::ReplicaOp::kSetFloor:
      reply->mutable_set_floor()->set_garbage_left(args.YesNo("garbage-left", false));
      break;
    default:
      break;
  }
}

void OwnerMachine::Deliver(Peer peer, Boot boot, v1::ReplicaOpReply reply) {
  v1::ReplicaBatchReply batch;
  batch.set_boot(boot.value());
  *batch.add_replies() = std::move(reply);
  shard().OnReplies(peer, batch);
}

void OwnerMachine::AnswerPings() {
  for (auto& [peer, node] : nodes_) {
    if (!node.connected || node.silent) continue;
    for (uint64_t op : std::exchange(node.pings, {})) {
      v1::ReplicaOpReply reply;
      reply.set_op(op);
      for (const std::string& key : std::exchange(node.damaged, {})) {
        v1::DamagedKey* damaged = reply.mutable_stats()->add_damaged();
        damaged->set_inc(1);
        damaged->set_key(key);
      }
      reply.mutable_stats();
      Deliver(peer, node.boot, std::move(reply));
    }
  }
}

// ---- time and people ------------------------------------------------------------------------

Status OwnerMachine::Advance(Arguments& args) {
  const Result<Duration> by = ParseDuration(args.Word("how long"));
  if (!by.ok()) args.Complain(by.status().message());
  RINGKV_RETURN_IF_ERROR(args.Finish());
  const MonoTime end = clock_.Now() + *by;
  while (clock_.Now() < end) {
    clock_.Set(std::min(end, clock_.Now() + milliseconds(5)));
    shard().RunDue();
    AnswerPings();
    SayRequests();
  }
  return Status::Ok();
}

Status OwnerMachine::Wall(Arguments& args) {
  std::string text = args.Word("how far off it is");
  const bool behind = text.starts_with('-');
  const Result<Duration> by = ParseDuration(behind ? text.substr(1) : text);
  if (!by.ok()) args.Complain(by.status().message());
  RINGKV_RETURN_IF_ERROR(args.Finish());
  const int64_t ms = std::chrono::duration_cast<milliseconds>(*by).count();
  clock_.SetWallSkewMillis(behind ? -ms : ms);
  return Status::Ok();
}

Status OwnerMachine::Look(Arguments& args) {
  LookCall call;
  call.slot = SlotId(0);
  call.key = args.Word("a key");
  call.deadline = clock_.Now() + milliseconds(1000);
  call.patience = milliseconds(100);
  RINGKV_RETURN_IF_ERROR(args.Finish());
  call.done = [this, key = call.key](const KeyLook& look) { Say(LookText(key, look)); };
  shard().LookAt(std::move(call));
  return Status::Ok();
}

Status OwnerMachine::Describe(Arguments& args) {
  const std::optional<std::string> key = args.WordIfAny();
  const SlotId slot(static_cast<uint32_t>(args.Number("slot", 0)));
  RINGKV_RETURN_IF_ERROR(args.Finish());
  if (key.has_value()) {
    Say(KeyText(*key, shard().Describe(slot, *key)));
    return Status::Ok();
  }
  const SlotReport report = shard().Describe(slot);
  Say(SlotText(report));
  for (const ReplicaReport& replica : report.replicas) Say("  " + ReplicaText(replica));
  return Status::Ok();
}

}  // namespace ringkv::golden
