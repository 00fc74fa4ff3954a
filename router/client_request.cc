#include "router/client_request.h"

#include <algorithm>

#include "base/limits.h"

namespace ringkv {
namespace {

Status CheckRetry(bool retry, const v1::RequestId& id) {
  if (!retry || id.client() != 0) return Status::Ok();
  return Status::InvalidArgument("retry: needs the request_id of the first attempt");
}

Status CheckPut(const v1::PutRequest& put, uint64_t wall_ms) {
  RINGKV_RETURN_IF_ERROR(CheckKey(put.key()));
  RINGKV_RETURN_IF_ERROR(CheckValueSize(put.value().size()));
  if (put.ttl_ms() != 0 && put.expires_at_ms() != 0) {
    return Status::InvalidArgument("ttl_ms and expires_at_ms: give only one of them");
  }
  if (put.ttl_ms() != 0) RINGKV_RETURN_IF_ERROR(CheckTtlMs(put.ttl_ms()));
  if (put.expires_at_ms() > wall_ms + kMaxTtlMs) {
    return Status::InvalidArgument("expires_at_ms: more than 10 years from now");
  }
  if (put.if_absent() && put.has_if_version()) {
    return Status::InvalidArgument("if_absent and if_version: give only one of them");
  }
  return CheckRetry(put.retry(), put.request_id());
}

Status CheckDelete(const v1::DeleteRequest& del) {
  RINGKV_RETURN_IF_ERROR(CheckKey(del.key()));
  return CheckRetry(del.retry(), del.request_id());
}

Status CheckIncrement(const v1::IncrementRequest& increment) {
  RINGKV_RETURN_IF_ERROR(CheckKey(increment.key()));
  return CheckRetry(increment.retry(), increment.request_id());
}

uint32_t TimeoutMsOf(const v1::Op& op) {
  switch (op.op_case()) {
    case v1::Op::kGet:
      return op.get().timeout_ms();
    case v1::Op::kPut:
      return op.put().timeout_ms();
    case v1::Op::kDel:
      return op.del().timeout_ms();
    case v1::Op::kIncrement:
      return op.increment().timeout_ms();
    default:
      return 0;
  }
}

}  // namespace

Status CheckOp(const v1::Op& op, uint64_t wall_ms) {
  switch (op.op_case()) {
    case v1::Op::kGet:
      return CheckKey(op.get().key());
    case v1::Op::kPut:
      return CheckPut(op.put(), wall_ms);
    case v1::Op::kDel:
      return CheckDelete(op.del());
    case v1::Op::kIncrement:
      return CheckIncrement(op.increment());
    case v1::Op::kScan:
      return Status::Ok();  // judged by the walk, which knows the ring
    case v1::Op::OP_NOT_SET:
      break;
  }
  return Status::InvalidArgument("the operation is empty, or of a kind that is not known here");
}

Status CheckBatch(uint64_t ops, size_t bytes) {
  if (ops > static_cast<uint64_t>(kMaxBatchRequestOps)) {
    return Status::InvalidArgument("a batch holds at most " + std::to_string(kMaxBatchRequestOps) +
                                   " operations; this one has " + std::to_string(ops));
  }
  if (bytes > kMaxBatchRequestBytes) {
    return Status::InvalidArgument("a batch holds at most " +
                                   std::to_string(kMaxBatchRequestBytes) + " bytes; this one has " +
                                   std::to_string(bytes));
  }
  return Status::Ok();
}

std::string_view KeyOf(const v1::Op& op) {
  switch (op.op_case()) {
    case v1::Op::kGet:
      return op.get().key();
    case v1::Op::kPut:
      return op.put().key();
    case v1::Op::kDel:
      return op.del().key();
    case v1::Op::kIncrement:
      return op.increment().key();
    default:
      return {};
  }
}

Duration TimeoutOf(const v1::Op& op, Duration by_default) {
  const uint32_t ms = TimeoutMsOf(op);
  if (ms == 0) return by_default;
  return std::min<Duration>(std::chrono::milliseconds(ms), kMaxCallTimeout);
}

v1::OpStatus* MutableStatus(const v1::Op& op, v1::OpResult* result) {
  switch (op.op_case()) {
    case v1::Op::kPut:
      return result->mutable_put()->mutable_status();
    case v1::Op::kDel:
      return result->mutable_del()->mutable_status();
    case v1::Op::kIncrement:
      return result->mutable_increment()->mutable_status();
    case v1::Op::kScan:
      return result->mutable_scan()->mutable_status();
    case v1::Op::kGet:
    case v1::Op::OP_NOT_SET:
      break;
  }
  return result->mutable_get()->mutable_status();
}

v1::OpResult RefuseOp(const v1::Op& op, v1::ErrorCode code, std::string message) {
  v1::OpResult result;
  result.set_id(op.id());
  v1::OpStatus* status = MutableStatus(op, &result);
  status->set_outcome(v1::OUTCOME_NOT_APPLIED);
  status->set_code(code);
  status->set_message(std::move(message));
  return result;
}

const v1::OpStatus& StatusOf(const v1::OpResult& result) {
  switch (result.result_case()) {
    case v1::OpResult::kPut:
      return result.put().status();
    case v1::OpResult::kDel:
      return result.del().status();
    case v1::OpResult::kIncrement:
      return result.increment().status();
    case v1::OpResult::kScan:
      return result.scan().status();
    default:
      return result.get().status();
  }
}

std::string_view KindName(v1::OpResult::ResultCase kind) {
  switch (kind) {
    case v1::OpResult::kGet:
      return "get";
    case v1::OpResult::kPut:
      return "put";
    case v1::OpResult::kDel:
      return "delete";
    case v1::OpResult::kIncrement:
      return "increment";
    case v1::OpResult::kScan:
      return "scan";
    case v1::OpResult::RESULT_NOT_SET:
      break;
  }
  return "none";
}

std::string CodeName(v1::ErrorCode code) {
  std::string name = v1::ErrorCode_Name(code).substr(sizeof("ERROR_CODE_") - 1);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return name;
}

}  // namespace ringkv
