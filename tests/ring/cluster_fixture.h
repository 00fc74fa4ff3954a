// Members for the ring's tests.
#pragma once

#include <string>
#include <vector>

#include "ring/planner.h"

namespace ringkv {

inline NodeId Id(const std::string& text) { return NodeId::Parse(text).value(); }

inline Member Node(uint32_t number, uint32_t vnodes = 128) {
  return {Id("n" + std::to_string(number)), "10.0.0.1:" + std::to_string(7000 + number), "",
          vnodes};
}

// n1 to n`count`.
inline std::vector<Member> Nodes(uint32_t count) {
  std::vector<Member> nodes;
  for (uint32_t i = 1; i <= count; ++i) nodes.push_back(Node(i));
  return nodes;
}

inline Ring Formed(uint32_t nodes, uint32_t replicas, uint32_t slots) {
  return FormRing(Nodes(nodes), replicas, slots).value().next;
}

}  // namespace ringkv
