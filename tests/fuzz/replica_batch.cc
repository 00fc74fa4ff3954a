// A node's replicas against whoever reaches its port: hostile batches of operations never reach an
// assert, each operation gets one answer, and what a hostile source of a sync answers is judged,
// too.
//
// Input: messages, each with its length (two bytes) before it: a ReplicaBatch, or, where the length
// has its highest bit set, an answer to the last question that the replicas asked of another node.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "kvnode/memory_store.h"
#include "kvnode/replica.h"
#include "tests/kvnode/replica_requests.h"

namespace {

using namespace ringkv;

class Node {
 public:
  Node() {
    PrepareDisk(store_);
    Replica::Options options;
    options.slots = kTestSlots;
    options.groups = kTestGroups;
    options.boot = Boot(1);
    auto opened = Replica::Open(store_, options, {GroupId(0), GroupId(1), GroupId(2), GroupId(3)});
    RINGKV_CHECK(opened.ok(), opened.status().message());
    replica_ = std::move(*opened);
  }

  void Execute(const v1::ReplicaBatch& batch) {
    std::vector<const v1::ReplicaOp*> ops;
    for (const v1::ReplicaOp& op : batch.ops()) ops.push_back(&op);
    std::vector<v1::ReplicaOpReply> replies;
    RINGKV_CHECK(replica_->Execute(ops, &replies).ok(), "nothing is wrong with the disk");
    RINGKV_CHECK(replies.size() == ops.size(), "each operation is answered");
    for (size_t i = 0; i < ops.size(); ++i) {
      RINGKV_CHECK(replies[i].op() == ops[i]->op(), "in order");
    }
    Go();
  }

  void Answer(v1::ReplicaOpReply answer) {
    answer.set_op(last_question_);
    RINGKV_CHECK(replica_->OnSyncAnswer(Boot(1), answer).ok(), "nothing is wrong with the disk");
    Go();
  }

 private:
  void Go() {
    for (const SyncQuestion& question : replica_->TakeQuestions()) {
      last_question_ = question.op.op();
    }
    for (const InstanceName& instance : replica_->TakeDrops()) {
      RINGKV_CHECK(store_.DropInstance(instance.slot, instance.inc).ok(), "memory works");
      RINGKV_CHECK(replica_->OnDropped(instance).ok(), "memory works");
    }
    RINGKV_CHECK(replica_->SweepStep(MonoTime{}).ok(), "memory works");
  }

  MemoryStore store_;
  std::unique_ptr<Replica> replica_;
  uint64_t last_question_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Node node;
  while (size >= 2) {
    const size_t wanted = (data[0] & 0x7fu) << 8 | data[1];
    const bool answers = (data[0] & 0x80u) != 0;
    data += 2;
    size -= 2;
    const size_t length = std::min(wanted, size);
    v1::ReplicaBatch batch;
    v1::ReplicaOpReply answer;
    const int bytes = static_cast<int>(length);
    if (answers && answer.ParsePartialFromArray(data, bytes)) node.Answer(std::move(answer));
    if (!answers && batch.ParsePartialFromArray(data, bytes)) node.Execute(batch);
    data += length;
    size -= length;
  }
  return 0;
}
