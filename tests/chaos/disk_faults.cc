// Faults that lose or change what a node has on disk.
#include <filesystem>

#include "tests/chaos/fault.h"
#include "tests/chaos/file_damage.h"

namespace ringkv {
namespace {

namespace fs = std::filesystem;

std::string IdOf(const PlannedFault& fault) { return "n" + std::to_string(fault.node); }

class DiskWiped final : public Fault {
 public:
  using Fault::Fault;
  void Happen(const PlannedFault& fault, FaultContext& context) const override {
    auto claim = context.cluster.Claim(IdOf(fault));
    ServerProcess& process = context.cluster.Process(IdOf(fault));
    process.Kill();
    context.cluster.processes().WipeNode(fault.node);
    context.hold(fault.hold);
    process.Start();
  }
};

class DiskOld final : public Fault {
 public:
  using Fault::Fault;
  void Happen(const PlannedFault& fault, FaultContext& context) const override {
    auto claim = context.cluster.Claim(IdOf(fault));
    ServerProcess& process = context.cluster.Process(IdOf(fault));
    const fs::path disk = context.cluster.processes().NodeDir(fault.node);
    const fs::path copy = disk.string() + ".copy";
    process.Kill();
    fs::remove_all(copy);
    fs::copy(disk, copy, fs::copy_options::recursive);
    process.Start();
    context.hold(fault.hold);  // it works on, and what it takes is not in the copy
    process.Kill();
    fs::remove_all(disk);
    fs::rename(copy, disk);
    process.Start();
  }
};

class DiskCorrupt final : public Fault {
 public:
  using Fault::Fault;
  void Happen(const PlannedFault& fault, FaultContext& context) const override {
    auto claim = context.cluster.Claim(IdOf(fault));
    ServerProcess& process = context.cluster.Process(IdOf(fault));
    process.Kill();
    const Result<std::string> where =
        FlipBytes(context.cluster.processes().NodeDir(fault.node), fault.seed);
    context.note(where.ok() ? "flipped bytes: " + *where : where.status().ToString());
    context.cluster.Distrust(fault.node);
    context.hold(fault.hold);
    process.Start();
  }
};

FaultKind Kind(std::string name, std::string about, Millis min_hold, Millis max_hold) {
  return {std::move(name), std::move(about), FaultKind::Target::kNode, min_hold, max_hold,
          /*alone=*/true};
}

}  // namespace

std::vector<std::unique_ptr<Fault>> DiskFaults() {
  std::vector<std::unique_ptr<Fault>> faults;
  faults.push_back(std::make_unique<DiskWiped>(
      Kind("disk-wiped", "kill a node and start it with an empty disk", Millis(0), Millis(3'000)),
      Need::kRefill));
  faults.push_back(std::make_unique<DiskOld>(
      Kind("disk-old", "put back an old copy of a node's disk", Millis(1'000), Millis(8'000)),
      Need::kRefill));
  faults.push_back(std::make_unique<DiskCorrupt>(
      Kind("disk-corrupt", "flip bytes in one of a node's files", Millis(0), Millis(1'000)),
      Need::kRefill));
  return faults;
}

}  // namespace ringkv
