#include "kvnode/store_rules.h"

#include "base/limits.h"

namespace ringkv {

bool ScanPage::Take(size_t returned_bytes, size_t stored_bytes) {
  const bool fits = entries_ < limits_.max_entries &&
                    returned_bytes_ + returned_bytes <= limits_.max_bytes &&
                    stored_bytes_ + stored_bytes <= kMaxStoredBytes;
  if (entries_ > 0 && !fits) return false;
  ++entries_;
  returned_bytes_ += returned_bytes;
  stored_bytes_ += stored_bytes;
  return true;
}

Status CheckBatch(const StoreBatch& batch) {
  for (const StoreBatch::Put& put : batch.puts()) RINGKV_RETURN_IF_ERROR(CheckKey(put.key.key));
  for (const StoreBatch::Meta& meta : batch.metas()) {
    if (meta.name.empty()) return Status::InvalidArgument("a meta entry needs a name");
  }
  return Status::Ok();
}

}  // namespace ringkv
