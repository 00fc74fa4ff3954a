// Whether every acknowledged write is accounted for, by a simple rule that knows nothing of the
// linearizability checker: the last read of a key tells what became of it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/history/history_file.h"

namespace ringkv {

// Empty: all is accounted for. Else one line for each key, what is wrong with it.
//
// `operations` holds a read of every key that began after every other operation on it had ended:
//  - a register holds a value that was written (or nothing), and no acknowledged write, other than
//  the
//    one that it holds, began after all that could have replaced it had ended;
//  - a counter (a key with increments) holds the sum of the acknowledged increments and of some of
//    the unknown ones.
std::vector<std::string> FindUnaccounted(const std::vector<ClientOperation>& operations);

}  // namespace ringkv
