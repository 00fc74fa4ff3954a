#include "bench/ring/reference_contenders.h"

#define XXH_INLINE_ALL
#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <bit>
#include <string>

#include "base/check.h"
#include "bench/ring/schemes/anchor_hash.h"
#include "bench/ring/schemes/jump_hash.h"
#include "bench/ring/schemes/ketama_ring.h"
#include "bench/ring/schemes/maglev.h"
#include "bench/ring/schemes/map_ring.h"
#include "bench/ring/schemes/radix_ring.h"
#include "bench/ring/schemes/rendezvous.h"

namespace ringkv::bench {
namespace {

uint32_t PointsEach(uint32_t nodes) { return std::min(kPointsEach, kMaxPoints / nodes); }

uint32_t MaglevEntries(uint32_t nodes) {
  const uint64_t wanted =
      std::min(uint64_t{nodes} * kMaglevEntriesEach, uint64_t{kMaxMaglevEntries});
  return PrimeFrom(std::max(kMinMaglevEntries, static_cast<uint32_t>(wanted)));
}

// `arguments`: of the scheme's constructor, after the number of nodes.
template <class Scheme, class... Arguments>
Contender Build(std::string_view key, std::string title, uint32_t nodes,
                const StructureBudget& budget, Arguments... arguments) {
  Contender contender{.key = std::string(key), .title = std::move(title)};
  contender.structure.emplace();
  std::shared_ptr<Scheme> scheme = MeasureStructure(nodes, budget, *contender.structure, [&] {
    return std::make_unique<Scheme>(nodes, arguments...);
  });
  contender.loops = std::make_unique<LoopsOver<Scheme>>(*scheme);
  contender.owner = std::move(scheme);
  return contender;
}

// What is only timed: `lookup` as for the loops.
template <class Lookup>
class OnlyPrimaries final : public LookupLoops {
 public:
  explicit OnlyPrimaries(Lookup lookup) : lookup_(std::move(lookup)) {}
  bool Has(Loop loop) const override {
    return loop == Loop::kPrimary || loop == Loop::kPrimaryDependent;
  }
  uint64_t Run(Loop loop, uint64_t seed, uint64_t count) const override {
    return loop == Loop::kPrimary ? IndependentLookups(seed, count, lookup_)
                                  : DependentLookups(seed, count, lookup_);
  }

 private:
  const Lookup lookup_;
};

template <class Lookup>
Contender OnlyTimed(std::string_view key, std::string title, Lookup lookup,
                    std::shared_ptr<const void> owner = nullptr) {
  return {.key = std::string(key),
          .title = std::move(title),
          .structure = std::nullopt,
          .owner = std::move(owner),
          .loops = std::make_unique<OnlyPrimaries<Lookup>>(std::move(lookup))};
}

// Keys to hash, few enough for the first-level cache.
constexpr int kKeysLog2 = 9;
using Key16 = std::array<char, 16>;
using Keys = std::array<Key16, size_t{1} << kKeysLog2>;

std::shared_ptr<const Keys> MakeKeys() {
  auto keys = std::make_shared<Keys>();
  TokenGenerator tokens(1);
  for (Key16& key : *keys) {
    const std::string text = fmt::format("{:016x}", tokens.Next().value());
    std::copy(text.begin(), text.end(), key.begin());
  }
  return keys;
}

std::string_view KeyOf(const Keys& keys, Token token) {
  const Key16& key = keys[token.value() >> (64 - kKeysLog2)];
  return {key.data(), key.size()};
}

}  // namespace

std::span<const std::string_view> ReferenceKeys() {
  static constexpr std::string_view kKeys[] = {"map",    "ketama", "radix", "rendezvous",
                                               "maglev", "jump",   "anchor"};
  return kKeys;
}

Contender BuildReference(std::string_view key, uint32_t nodes, const StructureBudget& budget) {
  const uint32_t points = PointsEach(nodes);
  if (key == "map") {
    return Build<MapRing>(key, fmt::format("map ring, {} points", points), nodes, budget, points);
  }
  if (key == "ketama") {
    return Build<KetamaRing>(key, fmt::format("ketama array, {} points", points), nodes, budget,
                             points);
  }
  if (key == "radix") {
    return Build<RadixRing>(key, fmt::format("array + radix, {} points", points), nodes, budget,
                            points);
  }
  if (key == "maglev") {
    const uint32_t entries = MaglevEntries(nodes);
    return Build<Maglev>(key, fmt::format("Maglev, {} entries", entries), nodes, budget, entries);
  }
  if (key == "jump") return Build<JumpHash>(key, "jump hash", nodes, budget);
  if (key == "rendezvous") return Build<Rendezvous>(key, "rendezvous", nodes, budget);
  RINGKV_CHECK(key == "anchor", "a key of a scheme");
  return Build<AnchorHash>(key, "AnchorHash, room for 1/4 more", nodes, budget,
                           nodes + nodes / 4 + 1);
}

Contender BuildRandomRead(uint32_t entries) {
  auto table = std::make_shared<HugeTable<uint64_t>>();
  table->reserve(kHugePageBytes / sizeof(uint64_t));  // a huge page for small tables too
  table->resize(entries);
  // Something to read in every entry; small, as nodes' numbers are.
  for (uint32_t i = 0; i < entries; ++i) (*table)[i] = i & 0xff;
  const uint64_t* const data = table->data();
  const int shift = 64 - std::countr_zero(entries);
  return OnlyTimed(
      "limit", "physical limit: random read",
      [data, shift](Token token) { return data[token.value() >> shift]; }, std::move(table));
}

Contender BuildGenerator() {
  // Used one by one, or the compiler would reckon several at once.
  return OnlyTimed("generator", "the generator of tokens alone", [](Token token) {
    Use(token.value());
    return token.value();
  });
}

Contender BuildHash() {
  auto keys = MakeKeys();
  return OnlyTimed(
      "xxh3", "XXH3 of a key of 16 bytes",
      [&keys = *keys](Token token) {
        const std::string_view key = KeyOf(keys, token);
        return uint64_t{XXH3_64bits(key.data(), key.size())};
      },
      keys);
}

Contender BuildTokenOf() {
  auto keys = MakeKeys();
  return OnlyTimed(
      "token_of", "TokenOf a key of 16 bytes",
      [&keys = *keys](Token token) { return TokenOf(KeyOf(keys, token)).value(); }, keys);
}

}  // namespace ringkv::bench
