#include "bench/path/figures_text.h"

#include <cstdio>

namespace ringkv::bench {
namespace {

double Micros(Duration duration) { return static_cast<double>(duration.count()) / 1e3; }

}  // namespace

nlohmann::ordered_json ToJson(const LoadFigures& figures) {
  const auto us = [&](double fraction) { return Micros(figures.latency.At(fraction)); };
  nlohmann::ordered_json json{{"operations_per_second", figures.rate()},
                              {"operations", figures.operations},
                              {"failed", figures.failed},
                              {"cpu_us_per_operation", nlohmann::ordered_json::object()}};
  if (figures.latency.count() > 0) {
    json["latency_us"] = {{"p50", us(0.5)},
                          {"p99", us(0.99)},
                          {"p99.9", us(0.999)},
                          {"max", Micros(figures.latency.max())}};
  }
  for (const auto& [process, cpu] : figures.cpu_us) json["cpu_us_per_operation"][process] = cpu;
  return json;
}

std::string SizeName(size_t bytes) {
  if (bytes >= 1024 && bytes % 1024 == 0) return std::to_string(bytes / 1024) + " KiB";
  return std::to_string(bytes) + " B";
}

void PrintHeading(const std::string& behind) {
  std::printf("%-30s %11s %8s %8s %8s %9s %s\n", "", "ops/s", "p50 us", "p99", "p99.9", "max",
              behind.c_str());
}

void PrintRow(const std::string& what, const LoadFigures& figures, const std::string& behind) {
  std::printf("%-30s %11.0f", what.c_str(), figures.rate());
  if (figures.latency.count() > 0) {
    std::printf(" %8.0f %8.0f %8.0f %9.0f", Micros(figures.latency.At(0.5)),
                Micros(figures.latency.At(0.99)), Micros(figures.latency.At(0.999)),
                Micros(figures.latency.max()));
  } else {
    std::printf(" %8s %8s %8s %9s", "", "", "", "");
  }
  std::printf(" %s", behind.c_str());
  for (const auto& [process, cpu] : figures.cpu_us) std::printf("  %s %.1f", process.c_str(), cpu);
  std::printf("\n");
  std::fflush(stdout);
}

}  // namespace ringkv::bench
