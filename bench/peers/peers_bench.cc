#include "bench/peers/peers_bench.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "bench/path/figures_text.h"
#include "bench/peers/scratch_place.h"

namespace ringkv::bench {
namespace {

using Json = nlohmann::ordered_json;

std::string CaseName(LoadShape shape, const std::string& mix) { return mix + " " + shape.Name(); }

}  // namespace

Status CheckPrograms(const PeersOptions& options) {
  for (const std::string& name : options.systems) {
    const PeerKind* kind = FindPeerKind(name);
    if (kind == nullptr) return Status::InvalidArgument("there is no system '" + name + "'");
    if (kind->program == nullptr) continue;
    const std::string program = options.programs + "/" + kind->program;
    if (::access(program.c_str(), X_OK) != 0) {
      return Status::InvalidArgument(name + " needs " + program +
                                     ", which cannot be run: ./dev bench peers fetches it");
    }
  }
  return Status::Ok();
}

PeersBench::PeersBench(PeersOptions options, const std::atomic<bool>& interrupted)
    : options_(std::move(options)), interrupted_(interrupted) {
  document_ = {{"seconds", options_.seconds},
               {"keys", options_.keys},
               {"systems", Json::array()},
               {"cases", Json::array()},
               {"targets", Json::array()}};
}

Result<bool> PeersBench::Run() {
  for (const std::string& name : options_.systems) {
    document_["systems"].push_back({{"name", name}, {"promise", FindPeerKind(name)->promise}});
  }
  PrintHeading(" CPU us/op: total, by process");
  for (const size_t value_bytes : options_.value_bytes) {
    for (const std::string& name : options_.systems) {
      RINGKV_RETURN_IF_ERROR(RunSystem(*FindPeerKind(name), value_bytes).Annotate(name));
    }
  }
  PrintSideBySide();
  Judge();
  document_["passed"] = passed_;
  return passed_;
}

Status PeersBench::RunSystem(const PeerKind& kind, size_t value_bytes) {
  auto place = ScratchPlace::Make();
  if (!place.ok()) return place.status();
  const KeySpace space = SpaceOf(options_.keys, value_bytes);
  std::printf("\n%s, values of %s, %llu keys; acknowledged: %s\n", kind.name,
              SizeName(value_bytes).c_str(), static_cast<unsigned long long>(space.keys),
              kind.promise);
  std::fflush(stdout);
  const size_t first = cases_.size();
  const Status measured =
      MeasureSystem(kind, space, {options_.programs, place->data(), place->logs(), &interrupted_});
  if (interrupted_) return measured;
  const bool failed = std::any_of(cases_.begin() + static_cast<std::ptrdiff_t>(first), cases_.end(),
                                  [](const PeerCase& one) { return one.figures.failed > 0; });
  if (failed || !measured.ok()) {
    place->KeepLogs();
    std::fprintf(stderr, "bench peers: %s: the logs are in %s\n", kind.name, place->logs().c_str());
  }
  return measured;
}

Status PeersBench::MeasureSystem(const PeerKind& kind, KeySpace space,
                                 const PeerSurroundings& surroundings) {
  const auto system = kind.make(surroundings);
  RINGKV_RETURN_IF_ERROR(system->Start());
  RINGKV_RETURN_IF_ERROR(
      system->NewLoad({16, 16}, {"put", 0}, space)->WriteAll().Annotate("storing the keys"));
  for (const std::string& shape_name : options_.shapes) {
    for (const std::string& mix_name : options_.mixes) {
      const auto shape = ParseShape(shape_name);
      if (!shape.ok()) return shape.status();
      const auto mix = ParseMix(mix_name);
      if (!mix.ok()) return mix.status();
      RINGKV_RETURN_IF_ERROR(MeasureCase(kind, *system, *shape, *mix, space));
    }
  }
  return Status::Ok();
}

Status PeersBench::MeasureCase(const PeerKind& kind, PeerSystem& system, LoadShape shape,
                               const OpMix& mix, KeySpace space) {
  if (interrupted_) return Status::Unavailable("interrupted");
  const auto load = system.NewLoad(shape, mix, space);
  auto figures = MeasureLoad(*load, system.Processes(), {options_.warm_seconds, options_.seconds},
                             &interrupted_);
  if (!figures.ok()) return figures.status();
  char cpu[32];
  std::snprintf(cpu, sizeof cpu, "%7.1f", figures->cpu_us_total());
  PrintRow("  " + CaseName(shape, mix.name), *figures, cpu);
  document_["cases"].push_back({{"system", kind.name},
                                {"connections", shape.connections},
                                {"in_flight", shape.in_flight},
                                {"mix", mix.name},
                                {"value_bytes", space.value_bytes},
                                {"figures", ToJson(*figures)}});
  // Without any answer nothing can be said; with failures, nothing that counts.
  if (figures->failed > 0 || figures->operations == 0) {
    passed_ = false;
    std::printf("  FAILED: %llu operations; the first: %s\n",
                static_cast<unsigned long long>(figures->failed), figures->first_error.c_str());
  }
  cases_.push_back({kind.name, shape, mix.name, space.value_bytes, std::move(*figures)});
  return Status::Ok();
}

void PeersBench::PrintSideBySide() const {
  for (const size_t value_bytes : options_.value_bytes) {
    std::printf("\noperations a second, values of %s\n%-16s", SizeName(value_bytes).c_str(), "");
    for (const std::string& shape : options_.shapes) {
      for (const std::string& mix : options_.mixes) {
        std::printf(" %12s", CaseName(*ParseShape(shape), mix).c_str());
      }
    }
    std::printf("\n");
    for (const std::string& system : options_.systems) {
      std::printf("%-16s", system.c_str());
      for (const PeerCase& one : cases_) {  // in the order of the columns
        if (one.system != system || one.value_bytes != value_bytes) continue;
        const auto width = std::max<size_t>(CaseName(one.shape, one.mix).size(), 12);
        std::printf(" %*.0f", static_cast<int>(width), one.figures.rate());
      }
      std::printf("\n");
    }
  }
}

void PeersBench::Judge() {
  const PeerVerdict verdict = JudgePeers(cases_);
  std::printf("\n");
  for (const PeerComparison& one : verdict.comparisons) {
    std::printf("%-46s %-15s %6.2f x", one.what.c_str(), one.ringkv.c_str(), one.ratio);
    if (one.judged) {
      std::printf(" (%s %.2f): %s", one.at_least ? "at least" : "at most", one.bound,
                  one.met ? "met" : "MISSED");
    }
    std::printf("\n");
    document_["targets"].push_back({{"what", one.what},
                                    {"ringkv", one.ringkv},
                                    {"other", one.other},
                                    {"ratio", one.ratio},
                                    {one.at_least ? "at_least" : "at_most", one.bound},
                                    {"judged", one.judged},
                                    {"met", one.met}});
  }
  if (!verdict.complete) {
    std::printf(
        "not all targets were judged: that needs ringkv-periodic, redis and etcd, loads "
        "64x1 and 1x1, puts, and values of 100 bytes\n");
  }
  document_["judged_all"] = verdict.complete;
  passed_ = passed_ && verdict.met();
}

}  // namespace ringkv::bench
