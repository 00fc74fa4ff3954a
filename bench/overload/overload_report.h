// OverloadReport: what was measured, as rows for people, at once, and as JSON. Thread-compatible.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "bench/overload/memory_bounds.h"
#include "bench/overload/overload_targets.h"
#include "bench/overload/process_memory.h"
#include "bench/path/cases.h"

namespace ringkv::bench {

class OverloadReport {
 public:
  OverloadReport(const MemoryBound& router, const MemoryBound& node);

  void BeginScenario(const std::string& name, const std::string& what);
  // A load, with what its failed operations said.
  void AddLoad(const std::string& what, const LoadFigures& figures);
  // The peaks of a stretch, beside the bounds that the options promise: these are wanted.
  void AddMemory(const std::string& during, const MemoryFigures& memory);
  // A figure that nothing is wanted of.
  void AddFigure(const std::string& what, double value, const std::string& unit);
  // What is wanted, printed as met or MISSED.
  void WantAtLeast(const std::string& what, double value, double bound, const std::string& unit);
  void WantAtMost(const std::string& what, double value, double bound, const std::string& unit);
  // What was left out, and why.
  void LeaveOut(const std::string& scenario, const std::string& why);

  bool passed() const { return passed_; }
  nlohmann::ordered_json ToJson() const;

 private:
  void Judge(const OverloadTarget& target, const std::string& unit);

  const MemoryBound router_;
  const MemoryBound node_;
  std::string scenario_;
  nlohmann::ordered_json document_;
  bool passed_ = true;
};

}  // namespace ringkv::bench
