// A formed cluster for tests of what rests on one. Plain functions.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "router/cluster_state.h"
#include "router/cluster_txns.h"

namespace ringkv {

inline NodeEntry Entry(const std::string& id, int port, uint32_t vnodes = 128) {
  return {*NodeId::Parse(id), "127.0.0.1:" + std::to_string(port), "", vnodes};
}

inline FormationRequest ThreeNodes(uint32_t slots = 64) {
  FormationRequest request;
  request.uuid = std::string(16, 'u');
  request.nodes = {Entry("n1", 7500), Entry("n2", 7510), Entry("n3", 7520)};
  request.replicas = 3;
  request.slots = slots;
  request.now_ms = 1'700'000'000'000;
  return request;
}

// The state that a transaction makes of an empty store.
inline ClusterState StateOf(const MetadataTxn& txn) {
  auto loaded = ClusterState::Load(txn.puts);
  EXPECT_TRUE(loaded.ok()) << loaded.status().ToString();
  return **loaded;
}

inline ClusterState Formed(const FormationRequest& request = ThreeNodes()) {
  auto txn = FormCluster(request);
  EXPECT_TRUE(txn.ok()) << txn.status().ToString();
  return StateOf(*txn);
}

inline ClusterState Owned(const FormationRequest& request = ThreeNodes()) {
  ClusterState state = Formed(request);
  Random random(7);
  auto txn = TakeOwnership(state, "r1", random);
  EXPECT_TRUE(txn.ok());
  EXPECT_TRUE(state.Apply(*txn).ok());
  return state;
}

}  // namespace ringkv
