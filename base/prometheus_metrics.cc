#include "base/prometheus_metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <limits>
#include <vector>

namespace ringkv {
namespace {

prometheus::ClientMetric ToPrometheus(const MetricSample& sample, MetricKind kind) {
  prometheus::ClientMetric metric;
  for (const auto& [name, value] : sample.labels) metric.label.push_back({name, value});
  switch (kind) {
    case MetricKind::kCounter:
      metric.counter.value = sample.value;
      break;
    case MetricKind::kGauge:
      metric.gauge.value = sample.value;
      break;
    case MetricKind::kHistogram: {
      metric.histogram.sample_count = sample.histogram.count;
      metric.histogram.sample_sum = sample.histogram.sum;
      uint64_t cumulative = 0;
      for (size_t i = 0; i < sample.histogram.per_bucket.size(); ++i) {
        cumulative += sample.histogram.per_bucket[i];
        double bound = i < sample.histogram.bounds.size() ? sample.histogram.bounds[i]
                                                          : std::numeric_limits<double>::infinity();
        metric.histogram.bucket.push_back({cumulative, bound});
      }
      break;
    }
  }
  return metric;
}

prometheus::MetricType ToPrometheus(MetricKind kind) {
  switch (kind) {
    case MetricKind::kCounter:
      return prometheus::MetricType::Counter;
    case MetricKind::kGauge:
      return prometheus::MetricType::Gauge;
    case MetricKind::kHistogram:
      return prometheus::MetricType::Histogram;
  }
  return prometheus::MetricType::Untyped;
}

}  // namespace

std::string PrometheusMetrics::Expose() {
  std::vector<prometheus::MetricFamily> families;
  for (const auto& [name, family] : Collect()) {
    prometheus::MetricFamily made;
    made.name = name;
    made.help = family.help;
    made.type = ToPrometheus(family.kind);
    for (const MetricSample& sample : family.samples) {
      made.metric.push_back(ToPrometheus(sample, family.kind));
    }
    families.push_back(std::move(made));
  }
  // The virtual overload that returns text is hidden by the one of TextSerializer.
  const prometheus::TextSerializer serializer;
  return static_cast<const prometheus::Serializer&>(serializer).Serialize(families);
}

}  // namespace ringkv
