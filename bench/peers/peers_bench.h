// PeersBench: the same loads on each system, one system after the other, in one run. Blocking;
// prints a row for each case as it is measured, and all of them side by side at the end.
#pragma once

#include <atomic>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/status.h"
#include "bench/path/measured_load.h"
#include "bench/peers/peer_system.h"
#include "bench/peers/peer_targets.h"

namespace ringkv::bench {

struct PeersOptions {
  double seconds = 3;       // of each case
  double warm_seconds = 1;  // before them
  std::vector<std::string> systems;
  std::vector<size_t> value_bytes = {100};
  std::vector<std::string> shapes = {"64x16", "64x1", "1x1"};
  std::vector<std::string> mixes = {"put", "get", "50/50"};
  uint64_t keys = 100'000;  // fewer where values are large
  std::string programs = ".local/peers/usr/bin";
  std::string json_file;
};

// InvalidArgument: a program that these systems need is not there.
Status CheckPrograms(const PeersOptions& options);

class PeersBench {
 public:
  // `interrupted` ends the run early, which is then an error. It is borrowed.
  PeersBench(PeersOptions options, const std::atomic<bool>& interrupted);

  // Everything. False: a target was missed, or operations failed.
  Result<bool> Run();
  const nlohmann::ordered_json& figures() const { return document_; }

 private:
  Status RunSystem(const PeerKind& kind, size_t value_bytes);
  // What RunSystem does in its place on the disk.
  Status MeasureSystem(const PeerKind& kind, KeySpace space, const PeerSurroundings& surroundings);
  Status MeasureCase(const PeerKind& kind, PeerSystem& system, LoadShape shape, const OpMix& mix,
                     KeySpace space);
  void PrintSideBySide() const;
  void Judge();

  const PeersOptions options_;
  const std::atomic<bool>& interrupted_;
  std::vector<PeerCase> cases_;
  nlohmann::ordered_json document_;
  bool passed_ = true;
};

}  // namespace ringkv::bench
