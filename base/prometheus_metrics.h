// Metrics as Prometheus reads them: text exposition format 0.0.4, through prometheus-cpp's
// serializer. Thread-safe.
#pragma once

#include <string>

#include "base/metrics.h"

namespace ringkv {

class PrometheusMetrics final : public Metrics {
 public:
  std::string Expose() override;
};

}  // namespace ringkv
