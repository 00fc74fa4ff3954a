// OwnerMachine, the calls of clients.
#include <chrono>

#include "migration/version_proto.h"
#include "tests/golden/owner_machine.h"
#include "tests/golden/owner_text.h"

namespace ringkv::golden {

using std::chrono::milliseconds;

Status OwnerMachine::Submit(Arguments& args, const std::string& what, v1::Op op) {
  ClientCall call;
  call.slot = SlotId(static_cast<uint32_t>(args.Number("slot", 0)));
  call.deadline = clock_.Now() + args.Time("timeout", milliseconds(1000));
  RINGKV_RETURN_IF_ERROR(args.Finish());
  const uint64_t number = calls_.size() + 1;
  calls_[number] = what;
  op.set_id(number);
  call.op = std::move(op);
  call.done = [this](const v1::OpResult& result) {
    Say("client " + std::to_string(result.id()) + " (" + calls_.at(result.id()) +
        "): " + ResultText(result));
  };
  shard().Submit(std::move(call));
  return Status::Ok();
}

Status OwnerMachine::Put(Arguments& args) {
  v1::Op op;
  v1::PutRequest* put = op.mutable_put();
  put->set_if_absent(args.Flag("if-absent"));
  put->set_retry(args.Flag("retry"));
  put->set_key(args.Word("a key"));
  put->set_value(args.Word("a value"));
  if (const auto version = args.VersionIfAny("if")) {
    ToProto(*version, put->mutable_if_version());
  }
  put->set_ttl_ms(static_cast<uint64_t>(
      std::chrono::duration_cast<milliseconds>(args.Time("ttl", Duration::zero())).count()));
  TakeRequest(args, put->mutable_request_id());
  return Submit(args, "put " + put->key(), op);
}

Status OwnerMachine::Get(Arguments& args) {
  v1::Op op;
  op.mutable_get()->set_key(args.Word("a key"));
  return Submit(args, "get " + op.get().key(), op);
}

Status OwnerMachine::Delete(Arguments& args) {
  v1::Op op;
  v1::DeleteRequest* del = op.mutable_del();
  del->set_retry(args.Flag("retry"));
  del->set_key(args.Word("a key"));
  if (const auto version = args.VersionIfAny("if")) {
    ToProto(*version, del->mutable_if_version());
  }
  TakeRequest(args, del->mutable_request_id());
  return Submit(args, "delete " + del->key(), op);
}

Status OwnerMachine::Increment(Arguments& args) {
  v1::Op op;
  v1::IncrementRequest* increment = op.mutable_increment();
  increment->set_retry(args.Flag("retry"));
  increment->set_key(args.Word("a key"));
  increment->set_delta(static_cast<int64_t>(args.Number("by", 1)));
  TakeRequest(args, increment->mutable_request_id());
  return Submit(args, "incr " + increment->key(), op);
}

Status OwnerMachine::Scan(Arguments& args) {
  ScanCall call;
  call.slot = SlotId(static_cast<uint32_t>(args.Number("slot", 0)));
  call.prefix = args.Option("prefix").value_or("");
  call.after = args.Option("after").value_or("");
  call.deadline = clock_.Now() + args.Time("timeout", milliseconds(1000));
  RINGKV_RETURN_IF_ERROR(args.Finish());
  const uint64_t number = calls_.size() + 1;
  calls_[number] = "scan";
  call.done = [this, number](const ScanCall::Page& page) {
    Say("client " + std::to_string(number) + " (scan): " + PageText(page));
  };
  shard().SubmitScan(std::move(call));
  return Status::Ok();
}

}  // namespace ringkv::golden
