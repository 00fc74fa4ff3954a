#include "bench/ring/report.h"

#include <fmt/format.h>

#include "bench/ring/quantities.h"
#include "bench/ring/targets.h"

namespace ringkv::bench {
namespace {

constexpr std::string_view kNothing = "-";
// Before a figure that random tokens gave.
constexpr std::string_view kSampled = "~";

struct Column {
  const char* group;  // over several columns, at the first of them
  const char* name;
  int width;
};
constexpr int kTitleWidth = 29;
constexpr Column kColumns[] = {
    {"   primary, ns", "thrput", 8},
    {"", "latency", 8},
    {" row of three, ns", "thrput", 9},
    {"", "latency", 8},
    {"  readers, M/s", "1", 7},
    {"", "2", 6},
    {"", "2/1", 5},
    {"", "memory", 9},
    {"", "build", 9},
    {"", "add one", 9},
    {"", "rem. one", 9},
    {"  primaries", "max/mean", 9},
    {"", "deviat.", 8},
    {"", "moved", 7},
};

std::string NsText(const LookupTimes& times, Loop loop) {
  const auto found = times.find(loop);
  return found == times.end() ? std::string(kNothing) : NumberText(found->second.Median());
}

// Millions of look-ups a second.
std::string MillionsText(double per_second) {
  return per_second < 1e3 ? "<.001" : NumberText(per_second / 1e6);
}

double Scaling(const std::map<unsigned, ReaderTimes>& readers) {
  return readers.at(2).per_second.Median() / readers.at(1).per_second.Median();
}

std::string BalanceText(const std::optional<Evenness>& evenness) {
  if (!evenness) return std::string(kNothing);
  return fmt::format("{}{:.4f}", evenness->tokens > 0 ? kSampled : "", evenness->max_over_mean);
}

std::string DeviationText(const std::optional<Evenness>& evenness) {
  if (!evenness) return std::string(kNothing);
  return fmt::format("{}{:.2f}%", evenness->tokens > 0 ? kSampled : "", evenness->deviation * 100);
}

std::string MovesText(const std::optional<double>& moves) {
  return moves ? fmt::format("{:.3f}", *moves) : std::string(kNothing);
}

// `cells`: of the columns from the first on.
std::string Line(std::string_view title, const std::vector<std::string>& cells) {
  std::string line = fmt::format("{:<{}}", title, kTitleWidth);
  for (size_t i = 0; i < cells.size(); ++i) {
    line += fmt::format("{:>{}}", cells[i], kColumns[i].width);
  }
  return line + "\n";
}

std::string HeaderText() {
  std::string groups(kTitleWidth, ' ');
  std::vector<std::string> names;
  size_t start = groups.size();
  for (const Column& column : kColumns) {
    if (*column.group != 0) {
      groups.resize(start, ' ');
      groups += column.group;
    }
    start += static_cast<size_t>(column.width);
    names.emplace_back(column.name);
  }
  return groups + "\n" + Line("", names);
}

std::string RowText(const Row& row) {
  std::vector<std::string> cells;
  for (Loop loop : kAllLoops) cells.push_back(NsText(row.lookup_ns, loop));
  for (unsigned threads : {1u, 2u}) {
    cells.push_back(MillionsText(row.readers.at(threads).per_second.Median()));
  }
  cells.push_back(fmt::format("{:.2f}", Scaling(row.readers)));
  if (row.structure) {
    const Structure& structure = *row.structure;
    for (const std::string& text :
         {BytesText(static_cast<double>(structure.bytes)), SecondsText(structure.build_s.Median()),
          SecondsText(structure.add_s.Median()), SecondsText(structure.remove_s.Median()),
          BalanceText(structure.primaries), DeviationText(structure.primaries),
          MovesText(structure.primaries_moved)}) {
      cells.push_back(text);
    }
  }
  return Line(row.title, cells);
}

std::string PublishedText(const PublishedChanges& published) {
  std::string text =
      fmt::format("  {:<34}{:>9}{:>9}{:>13}{:>12}\n", "look-ups through a publisher, M/s",
                  "1 quiet", "2 quiet", "1 changing", "2 changing");
  const auto readers = [&](std::string_view title, Samples ReaderTimes::*rate) {
    text += fmt::format("  {:<34}", title);
    for (unsigned threads : {1u, 2u}) {
      text += fmt::format("{:>9}", MillionsText((published.quiet.at(threads).*rate).Median()));
    }
    text += ' ';
    for (unsigned threads : {1u, 2u}) {
      text += fmt::format("{:>12}", MillionsText((published.busy.at(threads).*rate).Median()));
    }
    text += '\n';
  };
  readers("  of all together, by the clock", &ReaderTimes::per_second);
  readers("  of each, by its processor time", &ReaderTimes::per_cpu_second);
  text += fmt::format(
      "  {:<53}", fmt::format("changes/s, of {} wanted", NumberText(published.wanted_per_second)));
  for (const auto& [threads, writer] : published.writer) {
    text += fmt::format("{:>12}", NumberText(writer.changes_per_second.Median()));
  }
  const auto seconds = [&](std::string_view title, Samples WriterTimes::*time) {
    text += fmt::format("\n  {:<53}", title);
    for (const auto& [threads, writer] : published.writer) {
      text += fmt::format("{:>12}", SecondsText((writer.*time).Median()));
    }
  };
  seconds("processor time to apply and publish a change", &WriterTimes::cpu_s_per_change);
  seconds("processor time to plan it, beforehand", &WriterTimes::planning_cpu_s);
  return text + '\n';
}

std::string RingText(const RingRow& ring) {
  const RingDetails& details = ring.details;
  const Structure& structure = *ring.row.structure;
  std::string text = fmt::format(
      "{}: table {} ({:.2f} bytes a slot), its directory {}; planner's state {} (built in {})\n",
      ring.row.title, BytesText(static_cast<double>(details.table_bytes)),
      static_cast<double>(details.table_bytes) / details.slots,
      BytesText(static_cast<double>(details.directory_bytes)),
      BytesText(static_cast<double>(details.planner_bytes)),
      SecondsText(details.planner_build_s.Median()));
  if (details.replicas > 1) {
    text += fmt::format(
        "  replicas: max/mean {}, deviation {}; when a node joins, replicas moved / least {}\n",
        BalanceText(structure.replicas), DeviationText(structure.replicas),
        MovesText(structure.replicas_moved));
  }
  if (ring.published) text += PublishedText(*ring.published);
  return text;
}

// What the reader of this scale's table has to know.
std::string NotesText(const Scale& scale) {
  std::string text;
  for (const Row& row : scale.others) {
    const std::optional<Evenness>& primaries = row.structure->primaries;
    if (!primaries) {
      text += fmt::format("- {}: a look-up takes too long to see balance and moves by samples.\n",
                          row.title);
    } else if (primaries->tokens > 0) {
      text += fmt::format(
          "{} {}: from {} random tokens; nodes that are even would show {:.4f} and {:.2f}%.\n",
          kSampled, row.title, GroupedText(primaries->tokens), primaries->max_over_mean_by_chance,
          primaries->deviation_by_chance * 100);
    }
  }
  return text;
}

}  // namespace

std::string PreambleText(const Results& results) {
  std::string text = fmt::format(
      "{}, {} cores; medians of {} runs, of three times as many for the limit and this ring, the "
      "contenders taking turns{}\n"
      "Tokens come from registers; what follows is part of every figure below or goes before it:\n",
      results.processor, results.cores, results.runs,
      results.quick ? "; quick, so not to be trusted much" : "");
  for (const Row& row : results.costs) {
    text += fmt::format("  {:<30}{:>8} ns throughput {:>8} ns latency\n", row.title,
                        NsText(row.lookup_ns, Loop::kPrimary),
                        NsText(row.lookup_ns, Loop::kPrimaryDependent));
  }
  return text +
         "thrput: ns a look-up where look-ups overlap; latency: where each waits for the answer "
         "before it; readers: threads that look up primaries.\n"
         "primaries: how the hash space is divided, and what of it changed hands when a node "
         "joined, for each part that this node has got.\n"
         "Readers are timed by the clock, all else by the processor time that it took.\n";
}

std::string ScaleText(const Scale& scale) {
  std::string text = fmt::format("\n{} nodes, {} slots\n", GroupedText(scale.nodes),
                                 GroupedText(SlotsFor(scale.nodes)));
  text += HeaderText() + RowText(scale.limit);
  for (const RingRow& ring : scale.rings) text += RowText(ring.row);
  for (const Row& row : scale.others) text += RowText(row);
  text += NotesText(scale);
  for (const RingRow& ring : scale.rings) text += RingText(ring);
  return text;
}

std::string TargetsText(const Results& results) {
  std::string text = "\nTargets\n";
  for (const Target& target : CompareWithTargets(results)) {
    const char* verdict = target.verdict == Verdict::kMet      ? "met"
                          : target.verdict == Verdict::kMissed ? "MISSED"
                                                               : "not measured";
    text += fmt::format("  {:<13} {:>9} nodes: {}\n  {:<13} {}\n", verdict,
                        GroupedText(target.nodes), target.wanted, "", target.measured);
  }
  return text + fmt::format("The run took {}.\n", SecondsText(results.seconds));
}

}  // namespace ringkv::bench
