// The names that kvctl gives to what a blocked slot's copies are.
#pragma once

#include <string>

#include "ringkv/v1/admin.pb.h"

namespace ringkv {

std::string CopyStateName(v1::CopyState state);

}  // namespace ringkv
