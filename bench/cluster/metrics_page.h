// The figures that a process shows under /metrics. Values; thread-compatible.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/status.h"

namespace ringkv::bench {

class MetricsPage {
 public:
  // Unavailable: the process does not answer.
  static Result<MetricsPage> Fetch(const std::string& http_address);
  // A page in the text format of Prometheus; what is no sample is passed over.
  static MetricsPage Parse(const std::string& text);

  // Of all samples with this name whose labels include `label` (as `op="get"`; empty: all). 0 where
  // there is none.
  double Sum(const std::string& name, const std::string& label = "") const;

 private:
  struct Sample {
    std::string labels;  // between the braces
    double value = 0;
  };
  std::map<std::string, std::vector<Sample>> samples_;
};

}  // namespace ringkv::bench
