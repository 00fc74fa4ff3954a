// PathBench: the whole path beside what it is made of, in one run: RocksDB alone, a gRPC echo of
// the same messages, and a cluster. Blocking; prints a row for each case as it is measured.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/status.h"
#include "bench/cluster/bench_cluster.h"
#include "bench/path/cases.h"
#include "bench/path/echo_server.h"
#include "kvnode/rocks_store.h"

namespace ringkv::bench {

struct PathOptions {
  double seconds = 3;       // of each case
  double warm_seconds = 1;  // before them
  std::vector<std::string> durabilities = {"os", "periodic", "sync"};
  std::vector<size_t> value_bytes = {100, 1024, 65536};
  std::vector<std::string> shapes = {"64x16", "64x1", "1x1"};
  std::vector<std::string> mixes = {"put", "get", "50/50", "95/5"};
  uint64_t keys = 100'000;  // fewer where values are large
  std::string json_file;
};

class PathBench {
 public:
  PathBench(PathOptions options, EchoServer echo);

  // Everything. False: a target was missed, or operations failed.
  Result<bool> Run();
  const nlohmann::ordered_json& figures() const { return document_; }

 private:
  struct Alone {
    LoadFigures put;
    LoadFigures get;
  };

  Status RunDurability(const std::string& durability);
  Result<Alone> MeasureAlone(Durability durability, KeySpace space);
  Result<LoadFigures> MeasureEcho(LoadShape shape, const OpMix& mix, KeySpace space);
  Result<LoadFigures> MeasurePath(BenchCluster& cluster, LoadShape shape, const OpMix& mix,
                                  KeySpace space);
  void Print(const std::string& what, const LoadFigures& figures, double of_rocksdb,
             double cpu_of_rocksdb);
  void Judge(const std::string& durability, LoadShape shape, const OpMix& mix, KeySpace space,
             double of_rocksdb);

  const PathOptions options_;
  EchoServer echo_;
  nlohmann::ordered_json document_;
  bool passed_ = true;
};

}  // namespace ringkv::bench
