#include "bench/overload/overload_report.h"

#include <algorithm>
#include <cstdio>

#include "bench/path/figures_text.h"

namespace ringkv::bench {
namespace {

using Json = nlohmann::ordered_json;

double Mib(uint64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }
double Seconds(Duration duration) { return static_cast<double>(duration.count()) / 1e9; }

void PrintBound(const char* process, const MemoryBound& bound) {
  std::printf("%s may take %.0f MiB:", process, Mib(bound.total()));
  const char* between = " ";
  for (const MemoryPart& part : bound.parts) {
    std::printf("%s%s %.0f", between, part.what.c_str(), Mib(part.bytes));
    between = ", ";
  }
  std::printf("\n");
}

Json BoundJson(const MemoryBound& bound) {
  Json json{{"total_bytes", bound.total()}, {"parts", Json::array()}};
  for (const MemoryPart& part : bound.parts) {
    json["parts"].push_back({{"what", part.what}, {"bytes", part.bytes}});
  }
  return json;
}

}  // namespace

OverloadReport::OverloadReport(const MemoryBound& router, const MemoryBound& node)
    : router_(router), node_(node) {
  PrintBound("the router", router_);
  PrintBound("a node", node_);
  document_ = {{"memory_bounds", {{"router", BoundJson(router)}, {"node", BoundJson(node)}}},
               {"scenarios", Json::array()},
               {"targets", Json::array()},
               {"left_out", Json::array()}};
}

void OverloadReport::BeginScenario(const std::string& name, const std::string& what) {
  scenario_ = name;
  document_["scenarios"].push_back({{"name", name},
                                    {"loads", Json::array()},
                                    {"memory", Json::array()},
                                    {"figures", Json::array()}});
  std::printf("\n%s: %s\n", name.c_str(), what.c_str());
  PrintHeading(" CPU us/op");
}

void OverloadReport::AddLoad(const std::string& what, const LoadFigures& figures) {
  char cpu[32];
  std::snprintf(cpu, sizeof cpu, "%7.1f", figures.cpu_us_total());
  PrintRow("  " + what, figures, cpu);
  Json load{{"what", what}, {"figures", bench::ToJson(figures)}, {"failed_as", Json::object()}};
  for (const auto& [as, count] : figures.failed_as) {
    std::printf("    failed: %llu %s\n", static_cast<unsigned long long>(count), as.c_str());
    load["failed_as"][as] = count;
  }
  if (figures.failed > 0) {
    std::printf("    the first: %s; the slowest after %.2f s\n", figures.first_error.c_str(),
                Seconds(figures.slowest_failure));
  }
  load["slowest_failure_seconds"] = Seconds(figures.slowest_failure);
  document_["scenarios"].back()["loads"].push_back(std::move(load));
}

void OverloadReport::AddMemory(const std::string& during, const MemoryFigures& memory) {
  Json json{{"during", during}, {"processes", Json::object()}};
  double most_of_nodes = 0;
  std::printf("    memory, at most:");
  for (const auto& [process, figures] : memory) {
    std::printf("  %s %.0f", process.c_str(), Mib(figures.peak));
    json["processes"][process] = {{"peak_bytes", figures.peak},
                                  {"resident_bytes", figures.resident}};
    if (process != "router") most_of_nodes = std::max(most_of_nodes, Mib(figures.peak));
  }
  std::printf(" MiB\n");
  document_["scenarios"].back()["memory"].push_back(std::move(json));
  WantAtMost(during + ": memory of the router", Mib(memory.at("router").peak), Mib(router_.total()),
             "MiB");
  WantAtMost(during + ": memory of a node", most_of_nodes, Mib(node_.total()), "MiB");
}

void OverloadReport::AddFigure(const std::string& what, double value, const std::string& unit) {
  std::printf("    %s: %.2f %s\n", what.c_str(), value, unit.c_str());
  std::fflush(stdout);
  document_["scenarios"].back()["figures"].push_back(
      {{"what", what}, {"value", value}, {"unit", unit}});
}

void OverloadReport::WantAtLeast(const std::string& what, double value, double bound,
                                 const std::string& unit) {
  Judge({scenario_, what, value, bound, /*at_least=*/true}, unit);
}

void OverloadReport::WantAtMost(const std::string& what, double value, double bound,
                                const std::string& unit) {
  Judge({scenario_, what, value, bound, /*at_least=*/false}, unit);
}

void OverloadReport::Judge(const OverloadTarget& target, const std::string& unit) {
  passed_ = passed_ && target.met();
  std::printf("  %s: %.2f%s%s (at %s %.2f): %s\n", target.what.c_str(), target.value,
              unit.empty() ? "" : " ", unit.c_str(), target.at_least ? "least" : "most",
              target.bound, target.met() ? "met" : "MISSED");
  std::fflush(stdout);
  document_["targets"].push_back({{"scenario", target.scenario},
                                  {"what", target.what},
                                  {"value", target.value},
                                  {"unit", unit},
                                  {target.at_least ? "at_least" : "at_most", target.bound},
                                  {"met", target.met()}});
}

void OverloadReport::LeaveOut(const std::string& scenario, const std::string& why) {
  std::printf("\n%s: left out: %s\n", scenario.c_str(), why.c_str());
  document_["left_out"].push_back({{"scenario", scenario}, {"why", why}});
}

nlohmann::ordered_json OverloadReport::ToJson() const {
  Json document = document_;
  document["passed"] = passed_;
  return document;
}

}  // namespace ringkv::bench
