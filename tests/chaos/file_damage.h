// Damage to the files of a disk that nobody has open.
#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"

namespace ringkv {

// Flips one to eight bytes in one file under `directory`, chosen by `seed`: mostly one that holds
// data, else any that holds anything and that the store reads (not its lock and not its own log for
// people). Says which bytes of which file.
Result<std::string> FlipBytes(const std::string& directory, uint64_t seed);

}  // namespace ringkv
