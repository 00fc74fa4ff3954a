#include "tests/golden/node_machine.h"

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "base/config_values.h"
#include "kvnode/instance_facts.h"
#include "migration/version_proto.h"

namespace ringkv::golden {
namespace {

constexpr uint32_t kSlot = 0, kGroup = 0;
constexpr uint64_t kHighestInc = 9;  // that is looked for on a disk

std::string Text(const v1::Version& version) { return FromProto(version).ToString(); }

std::string InstanceText(const v1::DiskInstance& fact) {
  if (fact.dropped()) return "retired, dropped";
  if (fact.retired()) return "retired";
  std::string text = fact.voting() ? "votes" : "no vote";
  if (FromProto(fact.floor()) != Version{}) text += ", floor=" + Text(fact.floor());
  if (fact.expired_before_ms() != 0) {
    text += " expired-before=" + WallText(fact.expired_before_ms());
  }
  if (FromProto(fact.stable()) != Version{}) text += ", stable=" + Text(fact.stable());
  if (fact.has_lost_tail()) {
    const auto window = std::chrono::milliseconds(fact.lost_tail().window_ms());
    text += ", lost-tail=" + (window.count() == 0 ? "unbounded" : FormatDuration(window));
  }
  return text;
}

template <class Fact>
Fact Parsed(const std::string& bytes) {
  Fact fact;
  RINGKV_CHECK(fact.ParseFromString(bytes), "the node wrote what it can read");
  return fact;
}

// A durable fact that scripts show; empty: one that they do not.
std::string FactText(const std::string& name, const std::string& bytes) {
  if (name == "node/boot") return std::to_string(Parsed<v1::DiskBoot>(bytes).boot());
  if (name == "node/intent") {
    return "to make boot " + std::to_string(Parsed<v1::DiskIntent>(bytes).boot());
  }
  if (name == "node/running") {
    return Parsed<v1::DiskRunning>(bytes).stopped_clean() ? "stopped clean" : "not stopped clean";
  }
  if (name.starts_with("promise/")) {
    const auto fact = Parsed<v1::DiskPromise>(bytes);
    return "term=" + std::to_string(fact.term()) +
           (fact.owner() > 1 ? " owner=" + std::to_string(fact.owner()) : "");
  }
  if (name.starts_with(kInstanceFactPrefix)) return InstanceText(Parsed<v1::DiskInstance>(bytes));
  return {};
}

// "instance/00000000/0000000000000002" is "instance 0/2".
std::string PlaceOf(const std::string& name) {
  unsigned slot = 0, group = 0;
  unsigned long long inc = 0;
  if (std::sscanf(name.c_str(), "instance/%8u/%16llu", &slot, &inc) == 2) {
    return "instance " + std::to_string(slot) + '/' + std::to_string(inc);
  }
  if (std::sscanf(name.c_str(), "promise/%8u", &group) == 1) {
    return "promise of group " + std::to_string(group);
  }
  return name.substr(name.find('/') + 1);
}

}  // namespace

NodeMachine::NodeMachine() {
  registrar_.Grant(kSlot, 1);
  registrar_.Own(kGroup, term_, owner_);
  for (const std::string name : {"n1", "n2", "n3"}) {
    nodes_[name].name = name;
    NewDisk(nodes_[name]);
  }
}

Status NodeMachine::Run(const Command& command, std::vector<std::string>* effects) {
  effects_ = effects;
  Arguments args(command);
  const std::string at = args.Option("at").value_or("n1");
  const auto found = nodes_.find(at);
  if (found == nodes_.end()) return Status::InvalidArgument("there is no node '" + at + "'");
  Node& node = found->second;
  const std::string& name = command.name;
  Status status;
  if (name == "owner") {
    status = Owner(args);
  } else if (name == "start") {
    status = Start(node, args);
  } else if (name == "set-up") {
    status = SetUp(args);
  } else if (name == "show-boots") {
    status = args.Finish();
    shows_boots_ = status.ok();
  } else if (name == "stop" || name == "kill" || name == "power-loss") {
    status = End(node, name, args);
  } else if (name == "wipe" || name == "save" || name == "restore" || name == "damage") {
    status = Disk(node, name, args);
  } else if (name == "metadata-restored") {
    status = MetadataRestored(node, args);
  } else if (name == "grant") {
    status = Grant(args);
  } else if (name == "carry") {
    status = Carry(node, args);
  } else if (name == "sweep") {
    status = Sweep(node, args);
  } else if (name == "drop") {
    status = Drop(node, args);
  } else {
    status = Operate(node, name, args);
  }
  RINGKV_RETURN_IF_ERROR(status);
  for (auto& [id, each] : nodes_) SayDisk(each);
  return Status::Ok();
}

// ---- the disk -------------------------------------------------------------------------------

NodeMachine::Contents NodeMachine::Look(Node& node) const {
  Contents contents;
  const auto metas = node.disk.ListMeta("");
  RINGKV_CHECK(metas.ok(), "the disk works");
  for (const auto& [name, bytes] : *metas) {
    if (name.starts_with("node/") && !shows_boots_) continue;
    if (const std::string text = FactText(name, bytes); !text.empty()) {
      contents[PlaceOf(name)] = text;
    }
  }
  ScanLimits limits;
  limits.past_damage = true;
  for (uint64_t inc = 1; inc <= kHighestInc; ++inc) {
    const auto page = node.disk.Scan(SlotId(kSlot), Incarnation(inc), "", "", limits);
    RINGKV_CHECK(page.ok() && page->complete, "a script has few records");
    const std::string place = inc == 1 ? "record " : "record of " + std::to_string(inc) + ' ';
    for (const StoredEntry& entry : page->entries) {
      contents[place + entry.key] = RecordText("", entry.record);
    }
    for (const DamagedRecord& damaged : page->damaged)
      contents[place + damaged.key] = " unreadable";
  }
  return contents;
}

// What has changed since it was looked at.
void NodeMachine::SayDisk(Node& node) {
  Contents now = Look(node);
  const std::string disk = node.name + " disk: ";
  const std::string unsynced = node.disk.unsynced_batches() > 0 ? " (not synced)" : "";
  for (const auto& [place, text] : node.shown) {
    if (now.count(place) == 0) Say(disk + place + " is gone");
  }
  for (const auto& [place, text] : now) {
    const auto before = node.shown.find(place);
    if (before != node.shown.end() && before->second == text) continue;
    const bool record = place.starts_with("record ");
    Say(disk + place + (record ? "" : ": ") + text + (record ? unsynced : ""));
  }
  node.shown = std::move(now);
}

void NodeMachine::NewDisk(Node& node) {
  node.disk.Wipe();
  node.disk_uuid = std::string(15, 'd') + static_cast<char>('a' + disks_++);
}

Status NodeMachine::Disk(Node& node, const std::string& what, Arguments& args) {
  const std::string key = what == "damage" ? args.Word("a key") : "";
  const Incarnation inc(args.Number("inc", 1));
  RINGKV_RETURN_IF_ERROR(args.Finish());
  if (what == "damage") {
    if (node.disk.CorruptRecord({SlotId(kSlot), inc, key})) return Status::Ok();
    return Status::InvalidArgument("'damage' of a record that is not there");
  }
  if (what == "save") {
    node.saved = node.disk.Snapshot();
    node.saved_uuid = node.disk_uuid;
    return Status::Ok();
  }
  if (node.replica != nullptr) return Status::InvalidArgument("the process still runs");
  if (what == "wipe") {
    NewDisk(node);
    return Status::Ok();
  }
  if (node.saved == nullptr) return Status::InvalidArgument("'restore' without 'save'");
  node.disk.Restore(*node.saved);
  node.disk_uuid = node.saved_uuid;
  return Status::Ok();
}

// ---- the metadata ---------------------------------------------------------------------------

Status NodeMachine::Owner(Arguments& args) {
  term_ = static_cast<uint32_t>(args.Number("term", term_));
  owner_ = args.Number("owner", 1);
  RINGKV_RETURN_IF_ERROR(args.Finish());
  registrar_.promises.clear();
  registrar_.Own(kGroup, term_, owner_);
  return Status::Ok();
}

Status NodeMachine::MetadataRestored(Node& node, Arguments& args) {
  const uint64_t boot = args.Number("boot", 0);
  RINGKV_RETURN_IF_ERROR(args.Finish());
  registrar_.nodes[node.name].boot = boot;
  return Status::Ok();
}

Status NodeMachine::Grant(Arguments& args) {
  const uint64_t inc = args.Number("inc", 0);
  const bool learner = args.YesNo("learner", false);
  if (inc == 0 || inc > kHighestInc) args.Complain("needs inc= from 1 to 9");
  RINGKV_RETURN_IF_ERROR(args.Finish());
  registrar_.instances.clear();
  registrar_.Grant(kSlot, inc);
  registrar_.instances.back().set_learner(learner);
  return Status::Ok();
}

// ---- start and end --------------------------------------------------------------------------

Status NodeMachine::Start(Node& node, Arguments& args) {
  BootOptions options;
  const std::string durability = args.Option("durability").value_or("periodic");
  const bool reply_lost = args.Flag("reply-lost");
  options.store_lost_tail = args.Flag("log-damaged");
  if (durability != "periodic" && durability != "sync" && durability != "os") {
    args.Complain("'durability' is periodic, sync or os");
  }
  RINGKV_RETURN_IF_ERROR(args.Finish());
  if (node.replica != nullptr) return Status::InvalidArgument("the process runs already");
  options.node = NodeId::Parse(node.name).value();
  options.address = node.name + ":7500";
  options.version = "test";
  options.kernel_boot_id = "kernel-" + std::to_string(node.kernel);
  options.synced_writes = durability == "sync";
  if (durability == "periodic") options.sync_window = std::chrono::milliseconds(100);
  return Boots(node, options, reply_lost);
}

Status NodeMachine::SetUp(Arguments& args) {
  const std::vector<std::string> names = SplitList(args.Word("nodes"));
  for (const std::string& name : names) {
    if (nodes_.count(name) == 0) args.Complain("knows no node '" + name + "'");
  }
  RINGKV_RETURN_IF_ERROR(args.Finish());
  std::vector<std::string> unsaid;
  std::vector<std::string>* effects = std::exchange(effects_, &unsaid);
  for (const std::string& name : names) {
    Command start;
    start.name = "start";
    Arguments none(start);
    RINGKV_RETURN_IF_ERROR(Start(nodes_.at(name), none));
    SayDisk(nodes_.at(name));
  }
  effects_ = effects;
  return Status::Ok();
}

Status NodeMachine::Boots(Node& node, BootOptions options, bool reply_lost) {
  for (;;) {
    options.fresh_store_uuid = node.disk_uuid;
    BootSequence sequence(node.disk, random_, options);
    Result<BootStep> step = sequence.Begin();
    while (step.ok() && step->kind == BootStep::Kind::kAsk) {
      SayDisk(node);
      const v1::RegisterReply reply = registrar_.Register(step->request);
      std::string text =
          node.name + " registers, disk at boot " + std::to_string(step->request.boot());
      if (step->request.after_boot() != 0) {
        text += ", after boot " + std::to_string(step->request.after_boot());
      }
      std::string outcome =
          v1::RegisterOutcome_Name(reply.outcome()).substr(sizeof "REGISTER_OUTCOME_" - 1);
      for (char& c : outcome) c = c == '_' ? ' ' : static_cast<char>(std::tolower(c));
      text += ": " + outcome;
      if (reply.boot() != 0) text += ", boot " + std::to_string(reply.boot());
      if (reply_lost) {
        Say(text + "; the answer is lost");
        return Status::Ok();
      }
      Say(text);
      step = sequence.OnReply(reply);
    }
    if (!step.ok()) return step.status();
    switch (step->kind) {
      case BootStep::Kind::kServe:
        Open(node, sequence.registered(), options.synced_writes);
        return Status::Ok();
      case BootStep::Kind::kMoveAside:
        Say(node.name + " moves its directory aside and starts empty");
        NewDisk(node);
        break;
      case BootStep::Kind::kRefused:
        Say(node.name + " does not serve: an operator is needed");
        return Status::Ok();
      default:
        Say(node.name + " does not serve yet");
        return Status::Ok();
    }
  }
}

void NodeMachine::Open(Node& node, const Registered& registered, bool synced_writes) {
  Replica::Options options;
  options.slots = registered.slots;
  options.groups = registered.groups;
  options.boot = node.boot = registered.boot;
  options.sync_writes = synced_writes;
  auto opened = Replica::Open(node.disk, options, {GroupId(kGroup)});
  RINGKV_CHECK(opened.ok(), opened.status().message());
  node.replica = std::move(*opened);
  Say(node.name + " serves under boot " + std::to_string(node.boot.value()) +
      (registered.lost_writes ? "; it may have lost writes" : ""));
}

Status NodeMachine::End(Node& node, const std::string& how, Arguments& args) {
  const uint64_t keep = how == "power-loss" ? args.Number("keep", 0) : 0;
  RINGKV_RETURN_IF_ERROR(args.Finish());
  node.replica.reset();
  if (how == "stop") return MarkStoppedClean(node.disk);
  if (how == "kill") {
    node.disk.Crash();
    return Status::Ok();
  }
  node.disk.CrashLosingUnsynced(keep);
  ++node.kernel;
  return Status::Ok();
}

// ---- operations -----------------------------------------------------------------------------

Result<v1::ReplicaOpReply> NodeMachine::Execute(Node& node, const v1::ReplicaOp& op) {
  if (node.replica == nullptr) return Status::InvalidArgument(node.name + " does not serve");
  const v1::ReplicaOp* const ops[] = {&op};
  std::vector<v1::ReplicaOpReply> replies;
  RINGKV_RETURN_IF_ERROR(node.replica->Execute(ops, &replies));
  return replies[0];
}

Status NodeMachine::Operate(Node& node, const std::string& kind, Arguments& args) {
  v1::ReplicaOp op;
  op.set_op(++last_op_);
  op.set_slot(kSlot);
  op.set_inc(args.Number("inc", 1));
  op.set_term(static_cast<uint32_t>(args.Number("term", term_)));
  op.set_owner(args.Number("owner", owner_));
  if (!FillOp(node, kind, args, &op)) {
    return Status::InvalidArgument("a node has no command '" + kind + "'");
  }
  RINGKV_RETURN_IF_ERROR(args.Finish());
  const Result<v1::ReplicaOpReply> reply = Execute(node, op);
  if (!reply.ok()) return reply.status();
  Say(node.name + ": " + ReplyText(*reply));
  return Status::Ok();
}

bool NodeMachine::FillOp(Node& node, const std::string& kind, Arguments& args, v1::ReplicaOp* op) {
  // What is bound to a boot names the present one, unless the script says otherwise.
  auto boot = [&] { return args.Number("boot", node.boot.value()); };
  if (kind == "promise") {
    op->mutable_promise()->set_group(kGroup);
  } else if (kind == "contact") {
    op->mutable_contact()->set_boot(boot());
    op->mutable_contact()->set_handed_out_seq(args.Number("handed-out", 0));
  } else if (kind == "apply") {
    op->mutable_apply()->set_key(args.Word("a key"));
    op->mutable_apply()->set_repair(args.Flag("repair"));
    *op->mutable_apply()->mutable_record() = TakeRecord(args, true);
  } else if (kind == "forget") {
    op->mutable_apply()->set_key(args.Word("a key"));
    op->mutable_apply()->set_repair(true);
    op->mutable_apply()->set_forget(true);
  } else if (kind == "read") {
    op->mutable_read()->set_key(args.Word("a key"));
  } else if (kind == "scan") {
    op->mutable_scan()->set_max_bytes(1 << 20);
    op->mutable_scan()->set_max_entries(1000);
  } else if (kind == "create") {
    op->mutable_create();
  } else if (kind == "retire") {
    op->mutable_retire()->set_epoch(args.Number("epoch", 2));
  } else if (kind == "persist") {
    op->mutable_persist()->set_boot(boot());
  } else if (kind == "reinstate") {
    op->mutable_reinstate()->set_boot(boot());
  } else if (kind == "set-stable") {
    op->mutable_set_stable()->set_boot(boot());
    const auto stable = args.VersionIfAny("stable");
    if (!stable.has_value()) args.Complain("needs stable=TERM.SEQ");
    ToProto(stable.value_or(Version{}), op->mutable_set_stable()->mutable_stable());
  } else if (kind == "set-floor") {
    op->mutable_set_floor()->set_boot(boot());
    const auto floor = args.VersionIfAny("floor");
    if (!floor.has_value()) args.Complain("needs floor=TERM.SEQ");
    ToProto(floor.value_or(Version{}), op->mutable_set_floor()->mutable_floor());
    op->mutable_set_floor()->set_expired_before_ms(TakeWall(args, "expired-before", 0));
  } else if (kind == "pull") {
    v1::Pull* pull = op->mutable_pull();
    const auto source = nodes_.find(args.Option("from").value_or(""));
    if (source == nodes_.end()) args.Complain("needs from=, a node");
    pull->set_id(args.Number("id", 1));
    pull->set_boot(boot());
    pull->mutable_source()->set_inc(args.Number("source-inc", 1));
    const uint64_t source_boot = source == nodes_.end() ? 0 : source->second.boot.value();
    pull->mutable_source()->set_boot(args.Number("source-boot", source_boot));
    if (source != nodes_.end()) pull->mutable_source()->set_node(source->first);
    pull->set_compare_only(args.Flag("compare-only"));
    pull->set_in_union(args.Flag("in-union"));
    pull->set_reports_taken(args.Number("taken", 0));
  } else {
    return false;
  }
  return true;
}

Status NodeMachine::Carry(Node& node, Arguments& args) {
  const bool lost = args.Flag("lost");
  RINGKV_RETURN_IF_ERROR(args.Finish());
  if (node.replica == nullptr) return Status::InvalidArgument(node.name + " does not serve");
  for (auto asked = node.replica->TakeQuestions(); !asked.empty();
       asked = node.replica->TakeQuestions()) {
    for (const SyncQuestion& question : asked) {
      Node& source = nodes_.at(question.node);
      Say(node.name + " asks " + source.name + ": " + KindOf(question.op) + ' ' +
          OpText(question.op));
      v1::ReplicaOpReply answer;
      answer.set_op(question.op.op());
      Boot boot;
      if (lost || source.replica == nullptr) {
        Say("no answer");
      } else {
        Result<v1::ReplicaOpReply> given = Execute(source, question.op);
        if (!given.ok()) return given.status();
        answer = std::move(*given);
        boot = source.boot;
        Say(source.name + ": " + ReplyText(answer));
      }
      RINGKV_RETURN_IF_ERROR(node.replica->OnSyncAnswer(boot, answer));
      SayDisk(node);
    }
  }
  return Status::Ok();
}

Status NodeMachine::Sweep(Node& node, Arguments& args) {
  RINGKV_RETURN_IF_ERROR(args.Finish());
  if (node.replica == nullptr) return Status::InvalidArgument(node.name + " does not serve");
  constexpr int kSteps = 1000;
  for (int i = 0; i < kSteps; ++i) {
    const Result<bool> more = node.replica->SweepStep(MonoTime{});
    if (!more.ok()) return more.status();
    if (!*more) return Status::Ok();
  }
  return Status::Internal("a sweep without an end");
}

Status NodeMachine::Drop(Node& node, Arguments& args) {
  RINGKV_RETURN_IF_ERROR(args.Finish());
  if (node.replica == nullptr) return Status::InvalidArgument(node.name + " does not serve");
  for (const InstanceName& instance : node.replica->TakeDrops()) {
    RINGKV_RETURN_IF_ERROR(node.disk.DropInstance(instance.slot, instance.inc));
    RINGKV_RETURN_IF_ERROR(node.disk.Sync());
    RINGKV_RETURN_IF_ERROR(node.replica->OnDropped(instance));
  }
  return Status::Ok();
}

}  // namespace ringkv::golden
