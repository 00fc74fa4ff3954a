// The loops in which look-ups are timed, and LookupLoops, which hides from the harness what is
// looked up in; the loop itself is compiled for each scheme, with the look-up inlined. Tokens come
// from registers (token_generator.h).
//
// - Independent: as many look-ups at once as the processor overlaps. Time a look-up = throughput.
// - Dependent: each token depends on the answer before it, so that look-ups follow one another.
//   Time a look-up = latency. The answer is XORed into the low bits of the next token, which adds
//   one cycle and leaves to the generator which slot it is.
//
// Thread-safe as far as look-ups in the scheme are.
#pragma once

#include <concepts>
#include <cstdint>

#include "bench/ring/schemes/three_nodes.h"
#include "bench/ring/token_generator.h"

namespace ringkv::bench {

// `lookup`: Token → uint64_t, which depends on everything that was read. Returns something that
// depends on every look-up, for the caller to use, so that none is optimised away.
template <class Lookup>
uint64_t IndependentLookups(uint64_t seed, uint64_t count, Lookup lookup) {
  TokenGenerator tokens(seed);
  uint64_t sum = 0;
  for (uint64_t i = 0; i < count; ++i) sum += lookup(tokens.Next());
  return sum;
}

template <class Lookup>
uint64_t DependentLookups(uint64_t seed, uint64_t count, Lookup lookup) {
  TokenGenerator tokens(seed);
  uint64_t answer = 0;
  for (uint64_t i = 0; i < count; ++i) answer = lookup(Token(tokens.Next().value() ^ answer));
  return answer;
}

enum class Loop { kPrimary, kPrimaryDependent, kRow, kRowDependent };
inline constexpr Loop kAllLoops[] = {Loop::kPrimary, Loop::kPrimaryDependent, Loop::kRow,
                                     Loop::kRowDependent};

class LookupLoops {
 public:
  virtual ~LookupLoops() = default;
  virtual bool Has(Loop loop) const = 0;
  // Needs Has(loop). Looks `count` tokens up.
  virtual uint64_t Run(Loop loop, uint64_t seed, uint64_t count) const = 0;
};

// All nodes of a row, in one number.
template <class Row>
uint64_t Combined(const Row& row) {
  return uint64_t{row[0].value()} + row[1].value() + row[2].value();
}

template <class Scheme>
concept HasRows = requires(const Scheme& scheme) {
  scheme.Replicas(Token());
};

template <class Scheme>
class LoopsOver final : public LookupLoops {
 public:
  explicit LoopsOver(const Scheme& scheme) : scheme_(scheme) {}  // which must outlive this

  bool Has(Loop loop) const override {
    return HasRows<Scheme> || loop == Loop::kPrimary || loop == Loop::kPrimaryDependent;
  }

  uint64_t Run(Loop loop, uint64_t seed, uint64_t count) const override {
    const auto primary = [this](Token token) { return uint64_t{scheme_.Primary(token).value()}; };
    if (loop == Loop::kPrimary) return IndependentLookups(seed, count, primary);
    if (loop == Loop::kPrimaryDependent) return DependentLookups(seed, count, primary);
    if constexpr (HasRows<Scheme>) {
      const auto row = [this](Token token) { return Combined(scheme_.Replicas(token)); };
      if (loop == Loop::kRow) return IndependentLookups(seed, count, row);
      return DependentLookups(seed, count, row);
    } else {
      return 0;
    }
  }

 private:
  const Scheme& scheme_;
};

}  // namespace ringkv::bench
