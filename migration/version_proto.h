// Versions between the core's type and the messages'.
#pragma once

#include "base/ids.h"
#include "ringkv/v1/cluster.pb.h"

namespace ringkv {

inline Version FromProto(const v1::Version& version) {
  return {Term(version.term()), version.seq()};
}

inline void ToProto(const Version& version, v1::Version* out) {
  out->set_term(version.term.value());
  out->set_seq(version.seq);
}

}  // namespace ringkv
