// OverloadBench: the scenarios, one after the other, on one cluster. Blocking; prints as it goes.
#pragma once

#include <atomic>
#include <nlohmann/json.hpp>

#include "base/status.h"
#include "bench/overload/overload_options.h"

namespace ringkv::bench {

// InvalidArgument: what the system does not let these options do.
Status CheckOverloadOptions(const OverloadOptions& options, uint64_t open_files);

class OverloadBench {
 public:
  // `interrupted` ends the run early, which is then an error. It is borrowed.
  OverloadBench(OverloadOptions options, const std::atomic<bool>& interrupted);

  // Everything. False: a target was missed.
  Result<bool> Run();
  const nlohmann::ordered_json& figures() const { return document_; }

 private:
  const OverloadOptions options_;
  const std::atomic<bool>& interrupted_;
  nlohmann::ordered_json document_;
};

}  // namespace ringkv::bench
