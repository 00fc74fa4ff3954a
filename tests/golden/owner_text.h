// How golden scripts show what the owner answers clients, asks the metadata for, and says of its
// replicas. Pure.
#pragma once

#include <string>

#include "router/shard.h"

namespace ringkv::golden {

std::string NodeName(Peer peer);  // the first one is n1
std::string ResultText(const v1::OpResult& result);
std::string PageText(const ScanCall::Page& page);
std::string RequestText(const RowRequest& request);
std::string RequestText(const TermRequest& request);
std::string KeyText(const std::string& key, const KeyReport& report);
std::string LookText(const std::string& key, const KeyLook& look);
std::string SlotText(const SlotReport& report);  // without its replicas
std::string ReplicaText(const ReplicaReport& replica);

}  // namespace ringkv::golden
