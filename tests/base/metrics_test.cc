#include "base/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "base/prometheus_metrics.h"

namespace ringkv {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(Metrics, TheSameNameAndLabelsAreTheSameMetric) {
  MemoryMetrics metrics;
  Counter& puts = metrics.GetCounter("requests_total", "Requests.", {{"op", "put"}});
  EXPECT_EQ(&puts, &metrics.GetCounter("requests_total", "", {{"op", "put"}}));
  EXPECT_NE(&puts, &metrics.GetCounter("requests_total", "", {{"op", "get"}}));
  puts.Add();
  puts.Add(2);
  EXPECT_EQ(metrics.Value("requests_total", {{"op", "put"}}), 3);
  EXPECT_EQ(metrics.Value("ringkv_requests_total", {{"op", "get"}}), 0);
  EXPECT_EQ(metrics.Value("no_such_metric"), 0);
}

TEST(Metrics, ReferencesStayGoodWhileOthersAreAdded) {
  MemoryMetrics metrics;
  Counter& first = metrics.GetCounter("a_total", "", {{"n", "0"}});
  for (int i = 1; i < 1000; ++i) metrics.GetCounter("a_total", "", {{"n", std::to_string(i)}});
  first.Add(7);
  EXPECT_EQ(metrics.Value("a_total", {{"n", "0"}}), 7);
}

TEST(Metrics, IncrementsOfManyThreadsAllCount) {
  MemoryMetrics metrics;
  Counter& counter = metrics.GetCounter("a_total", "");
  Gauge& gauge = metrics.GetGauge("b", "");
  Histogram& histogram = metrics.GetHistogram("c_seconds", "", {1, 2});
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 10'000; ++j) {
        counter.Add();
        gauge.Add(1);
        histogram.Observe(j % 3);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counter.value(), 40'000u);
  EXPECT_EQ(gauge.value(), 40'000);
  EXPECT_EQ(histogram.Read().count, 40'000u);
  EXPECT_EQ(metrics.Value("c_seconds"), 40'000);
}

TEST(Histogram, ABoundBelongsToTheBucketBelowIt) {
  Histogram histogram({1, 10});
  for (double value : {0.5, 1.0, 1.5, 10.0, 11.0}) histogram.Observe(value);
  Histogram::Snapshot read = histogram.Read();
  EXPECT_THAT(read.per_bucket, ::testing::ElementsAre(2, 2, 1));
  EXPECT_EQ(read.count, 5u);
  EXPECT_EQ(read.sum, 24);
  EXPECT_DEATH(Histogram({2, 1}), "rise");
  EXPECT_DEATH(Histogram({1, 1}), "rise");
  EXPECT_DEATH(Histogram(std::vector<double>{}), "needs a bound");
}

TEST(Metrics, CollectorsAreAskedAtEachScrapeUntilTheirRegistrationGoes) {
  MemoryMetrics metrics;
  double depth = 3;
  {
    Metrics::Registration registration = metrics.AddCollector([&](MetricSink& sink) {
      sink.Gauge("queue_depth", "Waiting tasks.", depth, {{"loop", "0"}});
      sink.Counter("stalls_total", "Stalls.", 8);
    });
    EXPECT_EQ(metrics.Value("queue_depth", {{"loop", "0"}}), 3);
    depth = 4;
    EXPECT_EQ(metrics.Value("queue_depth", {{"loop", "0"}}), 4);
    Metrics::Registration moved = std::move(registration);
    EXPECT_EQ(metrics.Value("stalls_total"), 8);
  }
  EXPECT_THAT(metrics.Expose(), Not(HasSubstr("queue_depth")));
}

TEST(Metrics, ADefectEndsTheProgram) {
  MemoryMetrics metrics;
  metrics.GetCounter("a_total", "");
  EXPECT_DEATH(metrics.GetGauge("a_total", ""), "another kind");
  EXPECT_DEATH(metrics.GetGauge("a-b", ""), "bad metric name");
  EXPECT_DEATH(metrics.GetGauge("ringkv_a", ""), "prefix");
  EXPECT_DEATH(metrics.GetGauge("a", "", {{"le", "1"}}), "bad label");
}

TEST(PrometheusMetrics, ExposesTheTextFormat) {
  PrometheusMetrics metrics;
  metrics.GetCounter("requests_total", "Requests served.", {{"op", "put"}}).Add(3);
  metrics.GetGauge("ready", "Whether ready.").Set(1);
  Histogram& latency = metrics.GetHistogram("latency_seconds", "Latency.", {0.1, 1});
  latency.Observe(0.05);
  latency.Observe(0.5);
  latency.Observe(5);
  auto registration = metrics.AddCollector([](MetricSink& sink) {
    sink.Gauge("asked", "Asked at scrape.", 9, {{"q", "a\"\n\\"}});
  });
  std::string text = metrics.Expose();
  EXPECT_THAT(text, AllOf(HasSubstr("# HELP ringkv_requests_total Requests served.\n"),
                          HasSubstr("# TYPE ringkv_requests_total counter\n"),
                          HasSubstr("ringkv_requests_total{op=\"put\"} 3\n"),
                          HasSubstr("# TYPE ringkv_ready gauge\n"), HasSubstr("ringkv_ready 1\n")));
  EXPECT_THAT(text, AllOf(HasSubstr("# TYPE ringkv_latency_seconds histogram\n"),
                          HasSubstr("ringkv_latency_seconds_count 3\n"),
                          HasSubstr("ringkv_latency_seconds_bucket{le=\"1\"} 2\n"),
                          HasSubstr("ringkv_latency_seconds_bucket{le=\"+Inf\"} 3\n")));
  EXPECT_THAT(text, HasSubstr("ringkv_asked{q=\"a\\\"\\n\\\\\"} 9\n"));
}

TEST(PrometheusMetrics, CanBeScrapedWhileMetricsAndCollectorsComeAndGo) {
  PrometheusMetrics metrics;
  std::atomic<bool> stop = false;
  std::thread scraper([&] {
    while (!stop) (void)metrics.Expose();
  });
  for (int i = 0; i < 300; ++i) {
    metrics.GetCounter("a_total", "", {{"n", std::to_string(i % 10)}}).Add();
    int borrowed = i;
    auto registration =
        metrics.AddCollector([&](MetricSink& sink) { sink.Gauge("b", "", borrowed); });
  }
  stop = true;
  scraper.join();
  EXPECT_THAT(metrics.Expose(), HasSubstr("ringkv_a_total{n=\"9\"} 30\n"));
}

TEST(Buckets, Rise) {
  for (const auto* bounds : {&LatencyBuckets(), &SizeBuckets()}) Histogram histogram(*bounds);
}

}  // namespace
}  // namespace ringkv
