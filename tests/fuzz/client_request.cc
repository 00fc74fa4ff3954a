// What a router judges of a client's batch before it does anything, against hostile messages: no
// crash, and what passes is within the limits. Cursors of scans have one encoding.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "base/limits.h"
#include "router/client_request.h"
#include "router/scan.h"

namespace {

using namespace ringkv;

constexpr uint64_t kNowMs = 1'800'000'000'000;
constexpr uint32_t kSlots = 16;

void TryScan(const v1::ScanRequest& request) {
  (void)ScanWalk::Make(request, kSlots, std::chrono::seconds(5), MonoTime{});
  const auto position = DecodeScanCursor(request.cursor(), kSlots, request.prefix());
  if (!position.ok()) return;
  RINGKV_CHECK(EncodeScanCursor(*position, kSlots, request.prefix()) == request.cursor(),
               "a cursor has one encoding");
}

void TryOp(const v1::Op& op) {
  if (op.has_scan()) TryScan(op.scan());
  const Status status = CheckOp(op, kNowMs);
  (void)TimeoutOf(op, std::chrono::seconds(5));
  const v1::OpResult refusal = RefuseOp(op, v1::ERROR_CODE_INVALID_ARGUMENT, status.message());
  RINGKV_CHECK(StatusOf(refusal).outcome() == v1::OUTCOME_NOT_APPLIED, "a refusal is told");
  if (!status.ok()) {
    RINGKV_CHECK(!status.message().empty(), "an error says something");
    return;
  }
  if (op.has_scan()) return;
  RINGKV_CHECK(!KeyOf(op).empty() && KeyOf(op).size() <= kMaxKeyBytes, "a key is in its limits");
  if (!op.has_put()) return;
  RINGKV_CHECK(op.put().value().size() <= kMaxValueBytes, "a value is in its limits");
  RINGKV_CHECK(op.put().ttl_ms() <= kMaxTtlMs, "a TTL is in its limits");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  v1::BatchRequest batch;
  if (!batch.ParseFromArray(data, static_cast<int>(size))) return 0;
  (void)CheckBatch(static_cast<uint64_t>(batch.ops_size()), size);
  for (const v1::Op& op : batch.ops()) TryOp(op);
  return 0;
}
