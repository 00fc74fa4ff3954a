// Versions between the core's type and the messages'.
#pragma once

#include "base/ids.h"
#include "ringkv/v1/cluster.pb.h"

namespace ringkv {

inline Version FromProto(const v1::Version& version) {
  return {Term(version.term()), version.seq()};
}

// What clients see and conditions compare: the version that the record's write was given.
inline const v1::Version& OriginOf(const v1::Record& record) {
  return record.has_origin() ? record.origin() : record.version();
}

inline void ToProto(const Version& version, v1::Version* out) {
  out->set_term(version.term.value());
  out->set_seq(version.seq);
}

}  // namespace ringkv
