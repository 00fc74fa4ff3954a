#include "bench/path/path_bench.h"

#include <cstdio>

#include "bench/path/batch_load.h"
#include "bench/path/figures_text.h"
#include "bench/path/measured_load.h"
#include "bench/path/rocks_alone.h"
#include "tests/client/kvctl_process.h"

namespace ringkv::bench {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kOfRocksDb = 0.6;   // of its throughput, by 64 x 16 with small values
constexpr size_t kSmallValue = 100;  // bytes

}  // namespace

PathBench::PathBench(PathOptions options, EchoServer echo)
    : options_(std::move(options)), echo_(std::move(echo)) {
  document_ = {{"seconds", options_.seconds}, {"cases", Json::array()}, {"targets", Json::array()}};
}

Result<bool> PathBench::Run() {
  PrintHeading(" ratio  CPU us/op: total (of RocksDB's), by process");
  for (const std::string& durability : options_.durabilities) {
    RINGKV_RETURN_IF_ERROR(RunDurability(durability));
  }
  document_["passed"] = passed_;
  return passed_;
}

Status PathBench::RunDurability(const std::string& durability) {
  const auto parsed = ParseDurability(durability);
  if (!parsed.ok()) return parsed.status();
  for (const size_t value_bytes : options_.value_bytes) {
    const KeySpace space = SpaceOf(options_.keys, value_bytes);
    std::printf("\n%s, values of %s, %llu keys\n", durability.c_str(),
                SizeName(value_bytes).c_str(), static_cast<unsigned long long>(space.keys));
    const auto alone = MeasureAlone(*parsed, space);
    if (!alone.ok()) return alone.status();
    BenchCluster cluster({.durability = durability});
    RINGKV_RETURN_IF_ERROR(cluster.Start());
    RINGKV_RETURN_IF_ERROR(
        BatchLoad(cluster.processes().router_address(), {8, 16}, {"put", 0}, space).WriteAll());
    for (const std::string& shape_name : options_.shapes) {
      for (const std::string& mix_name : options_.mixes) {
        const auto shape = ParseShape(shape_name);
        if (!shape.ok()) return shape.status();
        const auto mix = ParseMix(mix_name);
        if (!mix.ok()) return mix.status();
        const auto echo = MeasureEcho(*shape, *mix, space);
        if (!echo.ok()) return echo.status();
        const auto path = MeasurePath(cluster, *shape, *mix, space);
        if (!path.ok()) return path.status();
        // What RocksDB needs for such a mix.
        const double seconds_each =
            mix->reads / alone->get.rate() + (1 - mix->reads) / alone->put.rate();
        const double cpu =
            mix->reads * alone->get.cpu_us_total() + (1 - mix->reads) * alone->put.cpu_us_total();
        const std::string name = mix->name + " " + shape->Name();
        Print("  echo  " + name, *echo, 0, 0);
        Print("  path  " + name, *path, path->rate() * seconds_each, path->cpu_us_total() / cpu);
        document_["cases"].push_back({{"durability", durability},
                                      {"value_bytes", value_bytes},
                                      {"connections", shape->connections},
                                      {"in_flight", shape->in_flight},
                                      {"mix", mix->name},
                                      {"rocksdb_operations_per_second", 1 / seconds_each},
                                      {"rocksdb_cpu_us_per_operation", cpu},
                                      {"echo", ToJson(*echo)},
                                      {"path", ToJson(*path)}});
        Judge(durability, *shape, *mix, space, path->rate() * seconds_each);
        if (path->failed > 0) {
          passed_ = false;
          std::printf("  FAILED: %llu operations; the first: %s\n",
                      static_cast<unsigned long long>(path->failed), path->first_error.c_str());
        }
      }
    }
  }
  return Status::Ok();
}

Result<PathBench::Alone> PathBench::MeasureAlone(Durability durability, KeySpace space) {
  const ScratchDirectory directory;
  const auto rocks = RocksAlone::Open(directory.Path("rocksdb"), durability, space);
  if (!rocks.ok()) return rocks.status();
  const auto put = (*rocks)->Put(options_.seconds);
  if (!put.ok()) return put.status();
  const auto get = (*rocks)->Get(options_.seconds);
  if (!get.ok()) return get.status();
  Print("  rocksdb  put, 3 x batches", *put, 1, 1);
  Print("  rocksdb  get, 3 x batches", *get, 1, 1);
  return Alone{*put, *get};
}

Result<LoadFigures> PathBench::MeasureEcho(LoadShape shape, const OpMix& mix, KeySpace space) {
  echo_.AnswerGetsWith(space.value_bytes);
  BatchLoad load(echo_.address(), shape, mix, space);
  return MeasureLoad(load, {{"server", {echo_.pid()}}},
                     {options_.warm_seconds / 2, options_.seconds / 2});
}

Result<LoadFigures> PathBench::MeasurePath(BenchCluster& cluster, LoadShape shape, const OpMix& mix,
                                           KeySpace space) {
  BatchLoad load(cluster.processes().router_address(), shape, mix, space);
  return MeasureLoad(load, cluster.ProcessGroups(), {options_.warm_seconds, options_.seconds});
}

void PathBench::Print(const std::string& what, const LoadFigures& figures, double of_rocksdb,
                      double cpu_of_rocksdb) {
  char cpu[64];
  if (of_rocksdb > 0) {
    std::snprintf(cpu, sizeof cpu, "%6.2f  %6.1f (%4.1f x)", of_rocksdb, figures.cpu_us_total(),
                  cpu_of_rocksdb);
  } else {
    std::snprintf(cpu, sizeof cpu, "%6s  %6.1f %8s", "", figures.cpu_us_total(), "");
  }
  PrintRow(what, figures, cpu);
}

void PathBench::Judge(const std::string& durability, LoadShape shape, const OpMix& mix,
                      KeySpace space, double of_rocksdb) {
  const bool many = shape.connections == 64 && shape.in_flight == 16;
  if (!many || space.value_bytes != kSmallValue) return;
  const bool wanted = (durability == "os" && (mix.reads == 0 || mix.reads == 1)) ||
                      (durability == "sync" && mix.reads == 0);
  if (!wanted) return;
  const bool met = of_rocksdb >= kOfRocksDb;
  passed_ = passed_ && met;
  std::printf("  %s, %s: %.2f x RocksDB alone (at least %.2f): %s\n", durability.c_str(),
              mix.name.c_str(), of_rocksdb, kOfRocksDb, met ? "met" : "MISSED");
  document_["targets"].push_back({{"durability", durability},
                                  {"mix", mix.name},
                                  {"of_rocksdb", of_rocksdb},
                                  {"at_least", kOfRocksDb},
                                  {"met", met}});
}

}  // namespace ringkv::bench
