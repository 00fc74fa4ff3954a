// Ports of 127.0.0.1 for the processes that a test starts.
#pragma once

namespace ringkv {

// The first of two neighbouring ports that nobody listens on, below the range that the kernel hands
// out itself. Never the same pair twice in one process; test programs that run at the same time
// look in different places. Thread-safe.
int FreePortPair();

}  // namespace ringkv
