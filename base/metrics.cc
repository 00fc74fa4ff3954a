#include "base/metrics.h"

#include <algorithm>

#include "base/check.h"

namespace ringkv {
namespace {

constexpr std::string_view kPrefix = "ringkv_";

bool IsWord(std::string_view name) {
  auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !name.empty() && letter(name.front()) &&
         std::all_of(name.begin(), name.end(),
                     [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

std::string FullName(std::string_view name) {
  return name.starts_with(kPrefix) ? std::string(name) : std::string(kPrefix) + std::string(name);
}

void CheckNames(std::string_view name, const MetricLabels& labels) {
  RINGKV_CHECK(IsWord(name), "bad metric name '" + std::string(name) + "'");
  RINGKV_CHECK(!name.starts_with(kPrefix), "the prefix of '" + std::string(name) + "' is added");
  for (const auto& [label, value] : labels) {
    // "le" is what Prometheus calls a histogram's buckets.
    RINGKV_CHECK(IsWord(label) && !label.starts_with("__") && label != "le",
                 "bad label '" + label + "' of metric '" + std::string(name) + "'");
  }
}

}  // namespace

// ---- histogram -----------------------------------------------------------------------------

Histogram::Histogram(std::vector<double> bounds)
    : bounds_(std::move(bounds)), buckets_(new std::atomic<uint64_t>[bounds_.size() + 1] {}) {
  RINGKV_CHECK(!bounds_.empty(), "a histogram needs a bound");
  RINGKV_CHECK(std::is_sorted(bounds_.begin(), bounds_.end(), std::less_equal<>()),
               "the bounds of a histogram rise");
}

void Histogram::Observe(double value) {
  auto bound = std::lower_bound(bounds_.begin(), bounds_.end(), value);
  buckets_[bound - bounds_.begin()].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

Histogram::Snapshot Histogram::Read() const {
  Snapshot snapshot;
  snapshot.bounds = bounds_;
  for (size_t i = 0; i <= bounds_.size(); ++i) {
    snapshot.per_bucket.push_back(buckets_[i].load(std::memory_order_relaxed));
    snapshot.count += snapshot.per_bucket.back();
  }
  snapshot.sum = sum_.load(std::memory_order_relaxed);
  return snapshot;
}

const std::vector<double>& LatencyBuckets() {
  static const std::vector<double> bounds = {0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025,
                                             0.005,   0.01,   0.025,   0.05,   0.1,   0.25,
                                             0.5,     1,      2.5,     5,      10};
  return bounds;
}

const std::vector<double>& SizeBuckets() {
  static const std::vector<double> bounds = {64,    256,     1024,    4096,    16384,
                                             65536, 262'144, 1 << 20, 4 << 20, 16 << 20};
  return bounds;
}

// ---- registry ------------------------------------------------------------------------------

struct Metrics::Family {
  std::string help;
  MetricKind kind;
  std::vector<double> bounds;
  // Pointers, so that references stay good.
  std::map<MetricLabels, std::unique_ptr<Counter>> counters;
  std::map<MetricLabels, std::unique_ptr<Gauge>> gauges;
  std::map<MetricLabels, std::unique_ptr<Histogram>> histograms;
};

Metrics::Metrics() = default;
Metrics::~Metrics() = default;

Metrics::Family& Metrics::FamilyOf(std::string_view name, std::string_view help, MetricKind kind) {
  auto& family = families_[FullName(name)];
  if (family == nullptr) {
    family = std::make_unique<Family>();
    family->help = help;
    family->kind = kind;
  }
  RINGKV_CHECK(family->kind == kind, "metric '" + std::string(name) + "' is of another kind");
  return *family;
}

Counter& Metrics::GetCounter(std::string_view name, std::string_view help,
                             const MetricLabels& labels) {
  CheckNames(name, labels);
  std::lock_guard lock(mutex_);
  auto& counter = FamilyOf(name, help, MetricKind::kCounter).counters[labels];
  if (counter == nullptr) counter = std::make_unique<Counter>();
  return *counter;
}

Gauge& Metrics::GetGauge(std::string_view name, std::string_view help, const MetricLabels& labels) {
  CheckNames(name, labels);
  std::lock_guard lock(mutex_);
  auto& gauge = FamilyOf(name, help, MetricKind::kGauge).gauges[labels];
  if (gauge == nullptr) gauge = std::make_unique<Gauge>();
  return *gauge;
}

Histogram& Metrics::GetHistogram(std::string_view name, std::string_view help,
                                 const std::vector<double>& bounds, const MetricLabels& labels) {
  CheckNames(name, labels);
  std::lock_guard lock(mutex_);
  Family& family = FamilyOf(name, help, MetricKind::kHistogram);
  if (family.bounds.empty()) family.bounds = bounds;
  auto& histogram = family.histograms[labels];
  if (histogram == nullptr) histogram = std::make_unique<Histogram>(family.bounds);
  return *histogram;
}

// ---- collectors ----------------------------------------------------------------------------

void MetricSink::Counter(std::string_view name, std::string_view help, double value,
                         const MetricLabels& labels) {
  Put(name, help, MetricKind::kCounter, value, labels);
}

void MetricSink::Gauge(std::string_view name, std::string_view help, double value,
                       const MetricLabels& labels) {
  Put(name, help, MetricKind::kGauge, value, labels);
}

void MetricSink::Put(std::string_view name, std::string_view help, MetricKind kind, double value,
                     const MetricLabels& labels) {
  CheckNames(name, labels);
  auto [family, fresh] = out_->try_emplace(FullName(name));
  if (fresh) {
    family->second.help = help;
    family->second.kind = kind;
  }
  RINGKV_CHECK(family->second.kind == kind,
               "metric '" + std::string(name) + "' is of another kind");
  family->second.samples.push_back({.labels = labels, .value = value});
}

Metrics::Registration& Metrics::Registration::operator=(Registration&& other) noexcept {
  if (this != &other) {
    Reset();
    metrics_ = std::exchange(other.metrics_, nullptr);
    id_ = std::exchange(other.id_, 0);
  }
  return *this;
}

void Metrics::Registration::Reset() {
  if (Metrics* metrics = std::exchange(metrics_, nullptr)) metrics->RemoveCollector(id_);
}

Metrics::Registration Metrics::AddCollector(Collector collector) {
  std::lock_guard lock(collectors_mutex_);
  collectors_.emplace(++last_collector_, std::move(collector));
  return Registration(this, last_collector_);
}

void Metrics::RemoveCollector(uint64_t id) {
  std::lock_guard lock(collectors_mutex_);
  collectors_.erase(id);
}

MetricFamilies Metrics::Collect() {
  MetricFamilies out;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [name, family] : families_) {
      MetricFamily& made = out[name];
      made.help = family->help;
      made.kind = family->kind;
      for (const auto& [labels, counter] : family->counters) {
        made.samples.push_back({.labels = labels, .value = static_cast<double>(counter->value())});
      }
      for (const auto& [labels, gauge] : family->gauges) {
        made.samples.push_back({.labels = labels, .value = gauge->value()});
      }
      for (const auto& [labels, histogram] : family->histograms) {
        made.samples.push_back({.labels = labels, .histogram = histogram->Read()});
      }
    }
  }
  std::lock_guard lock(collectors_mutex_);
  MetricSink sink(&out);
  for (const auto& [id, collector] : collectors_) collector(sink);
  return out;
}

// ---- in memory -----------------------------------------------------------------------------

std::string MemoryMetrics::Expose() {
  std::string out;
  for (const auto& [name, family] : Collect()) {
    for (const MetricSample& sample : family.samples) {
      std::string labels;
      for (const auto& [label, value] : sample.labels) {
        labels += (labels.empty() ? "" : ",") + label + "=\"" + value + "\"";
      }
      double value = family.kind == MetricKind::kHistogram
                         ? static_cast<double>(sample.histogram.count)
                         : sample.value;
      out += name + (labels.empty() ? "" : "{" + labels + "}") + " " + std::to_string(value) + "\n";
    }
  }
  return out;
}

double MemoryMetrics::Value(std::string_view name, const MetricLabels& labels) {
  MetricFamilies families = Collect();
  auto family = families.find(FullName(name));
  if (family == families.end()) return 0;
  for (const MetricSample& sample : family->second.samples) {
    if (sample.labels != labels) continue;
    bool histogram = family->second.kind == MetricKind::kHistogram;
    return histogram ? static_cast<double>(sample.histogram.count) : sample.value;
  }
  return 0;
}

}  // namespace ringkv
