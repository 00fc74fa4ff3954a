// The checks on what the clients recorded, as functions of the history alone.
#pragma once

#include <string>
#include <vector>

#include "tests/chaos/availability.h"
#include "tests/history/history_file.h"

namespace ringkv {

struct Check {
  enum class Verdict { kPassed, kFailed, kLeftOut };
  std::string name;
  Verdict verdict = Verdict::kPassed;
  // What was found, or why it was left out; at most some tens of lines.
  std::vector<std::string> details;
  std::string summary;  // one line about what was looked at

  void Fail(std::string detail);
};

// Every key by itself. `max_steps` is for all keys together: a search that runs out of them has
// not passed.
Check CheckLinearizability(const std::vector<ClientOperation>& operations,
                           uint64_t max_steps = 100'000'000);

// FindUnaccounted (accounting.h).
Check CheckNothingLost(const std::vector<ClientOperation>& operations);

// No operation failed or ended unknown, but those that touch a stretch in `excused`: there the
// router, or more than one node, was out.
Check CheckPromisesKept(const std::vector<ClientOperation>& operations,
                        const std::vector<Stretch>& excused);

}  // namespace ringkv
