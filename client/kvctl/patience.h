// How long import and export wait for one call: `--timeout`, where it is given. Otherwise the
// default at first, so that a cluster that is not there shows soon; and once something has worked,
// long enough for a router or a node to die and another to take over.
#pragma once

#include <algorithm>

#include "client/kvctl/command_line.h"

namespace ringkv {

inline Duration LaterPatience(const Globals& globals) {
  if (globals.timeout_given) return globals.timeout;
  return std::max<Duration>(globals.timeout, std::chrono::seconds(30));
}

}  // namespace ringkv
