// Counters, gauges and histograms of one process. A metric is looked up once, by name and labels
// (a lock and an allocation), and the reference kept; after that it is one atomic operation.
//
//   Counter& puts = metrics.GetCounter("requests_total", "Requests served.", {{"op", "put"}});
//   puts.Add();
//
// Names are given without the prefix `ringkv_`, which is added, and end in their unit (`_seconds`,
// `_bytes`, `_total`). The same name and labels give the same metric; the same name as another
// kind, a bad name or a bad label is a defect of the program and ends it. References are good for
// as long as the Metrics. Labels have few values: never a key, never a client's id. Twins:
// PrometheusMetrics (base/prometheus_metrics.h), MemoryMetrics (below). Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ringkv {

// Only grows.
class Counter {
 public:
  void Add(uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// Goes up and down.
class Gauge {
 public:
  void Set(double value) { value_.store(value, std::memory_order_relaxed); }
  void Add(double n) { value_.fetch_add(n, std::memory_order_relaxed); }
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

// Counts observations by bucket. A read while others write may miss the latest observations, but
// its buckets always add up to its count.
class Histogram {
 public:
  struct Snapshot {
    std::vector<double> bounds;        // upper ends, rising; the last bucket has none
    std::vector<uint64_t> per_bucket;  // bounds.size() + 1, not cumulative
    uint64_t count = 0;
    double sum = 0;
  };

  explicit Histogram(std::vector<double> bounds);  // rising, at least one
  void Observe(double value);
  Snapshot Read() const;

 private:
  const std::vector<double> bounds_;
  std::unique_ptr<std::atomic<uint64_t>[]> buckets_;
  std::atomic<double> sum_{0};
};

// 50 us to 10 s, in seconds.
const std::vector<double>& LatencyBuckets();
// 64 B to 16 MiB, in bytes.
const std::vector<double>& SizeBuckets();

using MetricLabels = std::map<std::string, std::string>;

enum class MetricKind { kCounter, kGauge, kHistogram };

// What a scrape sees.
struct MetricSample {
  MetricLabels labels;
  double value = 0;               // counter, gauge
  Histogram::Snapshot histogram;  // histogram
};
struct MetricFamily {
  std::string help;
  MetricKind kind = MetricKind::kGauge;
  std::vector<MetricSample> samples;
};
using MetricFamilies = std::map<std::string, MetricFamily>;  // by name, with the prefix

// Given to a collector for the time of the call: values that are asked for at each scrape.
class MetricSink {
 public:
  explicit MetricSink(MetricFamilies* out) : out_(out) {}
  void Counter(std::string_view name, std::string_view help, double value,
               const MetricLabels& labels = {});
  void Gauge(std::string_view name, std::string_view help, double value,
             const MetricLabels& labels = {});

 private:
  void Put(std::string_view name, std::string_view help, MetricKind kind, double value,
           const MetricLabels& labels);
  MetricFamilies* out_;
};

class Metrics {
 public:
  using Collector = std::function<void(MetricSink&)>;

  // Ends its collector when it goes: waits for a scrape that is calling it, so that what the
  // collector borrows may be destroyed next. Outlived by the Metrics. Never destroyed by a
  // collector.
  class [[nodiscard]] Registration {
   public:
    Registration() = default;
    Registration(Registration&& other) noexcept { *this = std::move(other); }
    Registration& operator=(Registration&& other) noexcept;
    ~Registration() { Reset(); }
    void Reset();

   private:
    friend class Metrics;
    Registration(Metrics* metrics, uint64_t id) : metrics_(metrics), id_(id) {}
    Metrics* metrics_ = nullptr;
    uint64_t id_ = 0;
  };

  Metrics();
  virtual ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  Counter& GetCounter(std::string_view name, std::string_view help,
                      const MetricLabels& labels = {});
  Gauge& GetGauge(std::string_view name, std::string_view help, const MetricLabels& labels = {});
  // `bounds` count for the first call with a name; later ones get the same buckets.
  Histogram& GetHistogram(std::string_view name, std::string_view help,
                          const std::vector<double>& bounds, const MetricLabels& labels = {});

  // `collector` runs at each scrape, on the scraper's thread, one scrape at a time. It must not
  // block and must not look metrics up.
  Registration AddCollector(Collector collector);

  // Everything, as text for a scrape.
  virtual std::string Expose() = 0;

 protected:
  // All metrics and what the collectors say now.
  MetricFamilies Collect();

 private:
  struct Family;
  Family& FamilyOf(std::string_view name, std::string_view help, MetricKind kind);  // mutex_ held
  void RemoveCollector(uint64_t id);

  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<Family>> families_;  // guarded by mutex_
  std::mutex collectors_mutex_;               // held while collectors run; never with mutex_
  std::map<uint64_t, Collector> collectors_;  // guarded by collectors_mutex_
  uint64_t last_collector_ = 0;               // guarded by collectors_mutex_
};

// For tests: the same, and values by name (with or without the prefix). `Expose` is a plain list of
// "name{a="b"} value" lines.
class MemoryMetrics final : public Metrics {
 public:
  std::string Expose() override;
  // A counter's or gauge's value, a histogram's count; 0 if there is no such metric.
  double Value(std::string_view name, const MetricLabels& labels = {});
};

}  // namespace ringkv
