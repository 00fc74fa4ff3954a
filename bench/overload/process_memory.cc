#include "bench/overload/process_memory.h"

#include <fstream>
#include <sstream>

namespace ringkv::bench {

Result<ProcessMemory> MemoryOf(pid_t pid) {
  const std::string name = "/proc/" + std::to_string(pid) + "/status";
  std::ifstream file(name);
  ProcessMemory memory;
  std::string line;
  while (std::getline(file, line)) {
    std::istringstream fields(line);
    std::string key;
    uint64_t kib = 0;
    fields >> key >> kib;
    if (key == "VmRSS:") memory.resident = kib << 10;
    if (key == "VmHWM:") memory.peak = kib << 10;
  }
  // A process that has ended and was not waited for has a status without memory.
  if (memory.resident == 0 || memory.peak == 0) {
    return Status::Unavailable(name + " does not say how much memory is resident");
  }
  return memory;
}

Status ResetPeak(pid_t pid) {
  const std::string name = "/proc/" + std::to_string(pid) + "/clear_refs";
  std::ofstream file(name);
  if (file << "5" << std::flush) return Status::Ok();  // 5: the peak (proc(5))
  return Status::Unavailable("cannot write to " + name);
}

Status ResetPeaks(const Processes& processes) {
  for (const auto& [name, pid] : processes) RINGKV_RETURN_IF_ERROR(ResetPeak(pid).Annotate(name));
  return Status::Ok();
}

Result<MemoryFigures> MemoryOf(const Processes& processes) {
  MemoryFigures figures;
  for (const auto& [name, pid] : processes) {
    const auto memory = MemoryOf(pid);
    if (!memory.ok()) return memory.status().Annotate(name);
    figures[name] = *memory;
  }
  return figures;
}

}  // namespace ringkv::bench
