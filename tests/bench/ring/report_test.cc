#include "bench/ring/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench/ring/reference_contenders.h"
#include "bench/ring/targets.h"

namespace ringkv::bench {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

Samples Of(double value) {
  Samples samples;
  samples.Add(value);
  return samples;
}

std::map<unsigned, ReaderTimes> Readers(double one, double two, double two_per_cpu) {
  std::map<unsigned, ReaderTimes> readers;
  readers[1] = {.per_second = Of(one), .per_cpu_second = Of(one), .waits = Of(0)};
  readers[2] = {.per_second = Of(two), .per_cpu_second = Of(two_per_cpu), .waits = Of(0)};
  return readers;
}

RingRow RingOf(uint32_t replicas, double ns) {
  RingRow ring;
  ring.row = {.key = "ring", .title = "this ring, RF " + std::to_string(replicas)};
  ring.row.structure.emplace();
  ring.row.structure->build_s = Of(60);
  ring.row.structure->add_s = Of(0.004);
  ring.row.structure->remove_s = Of(0.005);
  ring.row.lookup_ns = {{Loop::kPrimary, Of(ns)}, {Loop::kPrimaryDependent, Of(10 * ns)}};
  ring.row.readers = Readers(100e6, 199e6, 99.5e6);
  ring.details = {.slots = 1024, .replicas = replicas, .zones = 1, .table_bytes = 8 * 1024};
  ring.details.planner_build_s = Of(2);
  return ring;
}

// Meets every target, by a hair where there is one.
Scale GoodScale(uint32_t nodes) {
  Scale scale{.nodes = nodes};
  scale.limit = {.key = "limit", .title = "physical limit"};
  scale.limit.lookup_ns = {{Loop::kPrimary, Of(1)}, {Loop::kPrimaryDependent, Of(10)}};
  scale.limit.readers = Readers(300e6, 590e6, 295e6);
  scale.rings = {RingOf(1, 1.2), RingOf(3, 1.5)};
  PublishedChanges& published = scale.rings[1].published.emplace();
  published.wanted_per_second = 1000;
  for (unsigned readers : {1u, 2u}) published.writer[readers] = {Of(960), Of(1e-5), Of(1e-3)};
  published.quiet = Readers(100e6, 190e6, 95e6);
  // On two cores the clock says less, for the writer has a part of them.
  published.busy = Readers(90e6, 120e6, 95e6);
  return scale;
}

Results GoodResults() {
  return {.processor = "a processor",
          .cores = 2,
          .runs = 7,
          .seconds = 1,
          .scales = {GoodScale(kTargetNodes), GoodScale(kLargeTargetNodes)}};
}

std::vector<Verdict> Verdicts(const Results& results) {
  std::vector<Verdict> verdicts;
  for (const Target& target : CompareWithTargets(results)) verdicts.push_back(target.verdict);
  return verdicts;
}

// What is missed, by what was wanted.
std::string Missed(const Results& results) {
  std::string missed;
  for (const Target& target : CompareWithTargets(results)) {
    if (target.verdict == Verdict::kMissed) missed += target.wanted + "\n";
  }
  return missed;
}

TEST(Targets, AreMetAtTheirBounds) {
  const std::vector<Verdict> verdicts = Verdicts(GoodResults());
  EXPECT_EQ(verdicts.size(), 5u + 6u);
  EXPECT_EQ(Missed(GoodResults()), "");
  EXPECT_THAT(verdicts, Not(Contains(Verdict::kNotMeasured)));
}

TEST(Targets, AreMissedBeyondThem) {
  const auto missed = [](auto spoil) {
    Results results = GoodResults();
    spoil(results);
    return Missed(results);
  };
  EXPECT_THAT(
      missed([](Results& r) { r.scales[0].rings[1].row.lookup_ns[Loop::kPrimary] = Of(1.51); }),
      HasSubstr("primary, throughput"));
  EXPECT_THAT(missed([](Results& r) {
                r.scales[1].rings[0].row.lookup_ns[Loop::kPrimaryDependent] = Of(15.1);
              }),
              HasSubstr("primary, latency"));
  EXPECT_THAT(missed([](Results& r) { r.scales[0].rings[1].details.table_bytes = 8 * 1024 + 1; }),
              HasSubstr("row of three"));
  EXPECT_THAT(missed([](Results& r) { r.scales[1].rings[0].details.table_bytes = 8 * 1024 + 1; }),
              HasSubstr("table <= 8"));
  EXPECT_THAT(
      missed([](Results& r) { r.scales[0].rings[1].published->quiet = Readers(100, 189, 94); }),
      HasSubstr("two readers >= 1.9 x one\n"));
  EXPECT_THAT(
      missed([](Results& r) { r.scales[0].rings[1].published->busy = Readers(100, 189, 94); }),
      HasSubstr("two readers >= 1.9 x one at 1000"));
  EXPECT_THAT(missed([](Results& r) {
                r.scales[0].rings[1].published->writer[2].changes_per_second = Of(949);
              }),
              HasSubstr("two readers >= 1.9 x one at 1000"));
  EXPECT_THAT(
      missed([](Results& r) { r.scales[1].rings[1].published->busy = Readers(100, 200, 90e6); }),
      HasSubstr("two readers >= 0.95 x undisturbed"));
  EXPECT_THAT(missed([](Results& r) { r.scales[1].rings[0].row.structure->remove_s = Of(5.1e-3); }),
              HasSubstr("RF 1: add, remove"));
}

// With processor time alone, readers that queue for a lock would look as good as ever.
TEST(Targets, TrustProcessorTimeOnlyOfReadersThatNeverWaited) {
  Results results = GoodResults();
  PublishedChanges& published = *results.scales[0].rings[1].published;
  published.busy[2].waits = Of(1);
  EXPECT_EQ(Missed(results), "two readers >= 1.9 x one at 1000 changes/s\n");
  published.busy[2].per_second = Of(190e6);
  EXPECT_EQ(Missed(results), "");
}

TEST(Targets, SayWhatWasNotMeasured) {
  Results results = GoodResults();
  results.scales.pop_back();
  const std::vector<Target> targets = CompareWithTargets(results);
  EXPECT_EQ(targets.back().nodes, kLargeTargetNodes);
  EXPECT_EQ(targets.back().verdict, Verdict::kNotMeasured);
  results.scales[0].rings.clear();
  EXPECT_THAT(Verdicts(results), testing::Each(Verdict::kNotMeasured));
}

TEST(Report, TellsAndNamesEverySchemeAndWhatItCouldNotMeasure) {
  constexpr StructureBudget kOnce{.runs = 1, .build_s = 0, .change_s = 0, .tokens_s = 0};
  Scale scale = GoodScale(1000);
  for (std::string_view key : ReferenceKeys()) {
    Contender contender = BuildReference(key, 1000, kOnce);
    scale.others.push_back({.key = contender.key,
                            .title = contender.title,
                            .structure = contender.structure,
                            .readers = Readers(1, 2, 1)});
  }
  const std::string text = ScaleText(scale);
  for (const Row& row : scale.others) EXPECT_THAT(text, HasSubstr(row.title));
  EXPECT_THAT(text, HasSubstr("1 000 nodes, 65 536 slots"));
  EXPECT_THAT(text, HasSubstr("map ring, 128 points"));
  EXPECT_THAT(text, HasSubstr("Maglev, 65537 entries"));
  // In no time at all there were not enough look-ups to see this one's balance.
  EXPECT_THAT(text, HasSubstr("- jump hash: a look-up takes too long"));
  for (size_t start = 0; start < text.size();) {
    const size_t end = text.find('\n', start);
    EXPECT_LE(end - start, 140u) << text.substr(start, end - start);
    start = end + 1;
  }
}

TEST(Report, HasEachVerdict) {
  Results results = GoodResults();
  EXPECT_THAT(TargetsText(results), HasSubstr(" met "));
  EXPECT_THAT(TargetsText(results), Not(HasSubstr("MISSED")));
  results.scales[0].limit.lookup_ns[Loop::kPrimary] = Of(0.5);
  results.scales.pop_back();
  EXPECT_THAT(TargetsText(results), HasSubstr(" MISSED "));
  EXPECT_THAT(TargetsText(results), HasSubstr("not measured"));
}

TEST(Report, JsonHasTheMedianAndTheEndsOfEachFigure) {
  const Json json = ResultsJson(GoodResults());
  const Json& ring = json["scales"][0]["rows"][2];
  EXPECT_EQ(ring["title"], "this ring, RF 3");
  EXPECT_EQ(ring["lookup_ns"]["primary_throughput"],
            (Json{{"median", 1.5}, {"min", 1.5}, {"max", 1.5}, {"runs", 1}}));
  EXPECT_EQ(ring["ring"]["table_bytes_per_slot"], 8);
  EXPECT_EQ(ring["ring"]["published"]["writer"]["2"]["changes_per_s"]["median"], 960);
  EXPECT_EQ(ring["ring"]["published"]["readers_while_changing"]["2"]["lookups_per_s"]["median"],
            120e6);
  EXPECT_TRUE(json["scales"][0]["rows"][1]["ring"]["published"].is_null());
  EXPECT_EQ(json["targets"][0]["met"], true);
}

}  // namespace
}  // namespace ringkv::bench
