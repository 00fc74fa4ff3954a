#include "bench/ring/schemes/maglev.h"

#include <algorithm>

namespace ringkv::bench {
namespace {

constexpr NodeIndex kFree(UINT32_MAX);

// A node's preference list: where it stands, and how far it is to the next entry. The table's size
// is a prime, so every step visits each entry once.
struct Preference {
  uint32_t entry;
  uint32_t step;

  Preference(NodeIndex node, uint32_t entries)
      : entry(static_cast<uint32_t>(BinOf(Mix(node.value(), 1), entries))),
        step(static_cast<uint32_t>(BinOf(Mix(node.value(), 2), entries - 1)) + 1) {}

  void Next(uint32_t entries) {
    const uint64_t next = uint64_t{entry} + step;
    entry = static_cast<uint32_t>(next < entries ? next : next - entries);
  }
};

bool IsPrime(uint32_t number) {
  if (number < 4) return number >= 2;
  if (number % 2 == 0) return false;
  for (uint64_t divisor = 3; divisor * divisor <= number; divisor += 2) {
    if (number % divisor == 0) return false;
  }
  return true;
}

}  // namespace

uint32_t PrimeFrom(uint32_t number) {
  while (!IsPrime(number)) ++number;
  return number;
}

Maglev::Maglev(uint32_t nodes, uint32_t entries) : next_node_(nodes), entries_(entries) {
  for (uint32_t node = 0; node < nodes; ++node) nodes_.emplace_back(node);
  Fill();
}

void Maglev::Fill() {
  const auto size = static_cast<uint32_t>(entries_.size());
  std::fill(entries_.begin(), entries_.end(), kFree);
  std::vector<Preference> preferences;
  preferences.reserve(nodes_.size());
  for (NodeIndex node : nodes_) preferences.emplace_back(node, size);
  for (uint32_t filled = 0; filled < size;) {
    for (size_t i = 0; i < nodes_.size() && filled < size; ++i, ++filled) {
      Preference& preference = preferences[i];
      while (entries_[preference.entry] != kFree) preference.Next(size);
      entries_[preference.entry] = nodes_[i];
    }
  }
}

NodeIndex Maglev::Add() {
  nodes_.emplace_back(next_node_++);
  Fill();
  return nodes_.back();
}

void Maglev::Remove(NodeIndex node) {
  std::erase(nodes_, node);
  Fill();
}

Arcs Maglev::OwnedArcs() const {
  Arcs arcs;
  arcs.reserve(entries_.size());
  const Uint128 size = entries_.size();
  for (Uint128 entry = 0; entry < size; ++entry) {
    // The greatest token that BinOf takes to this entry.
    const auto last = static_cast<uint64_t>((((entry + 1) << 64) - 1) / size);
    arcs.push_back({Token(last), entries_[static_cast<size_t>(entry)]});
  }
  return arcs;
}

}  // namespace ringkv::bench
