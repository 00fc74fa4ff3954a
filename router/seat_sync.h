// Where the owner is with making one replica clean (docs/protocol.md, "Sync"), with its next stable
// watermark and floor, and with a change of the set of replicas ("Replace"). Plain values of a
// Sequencer.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "base/clock.h"
#include "base/ids.h"

namespace ringkv {

struct SeatSync {
  enum class Stage {
    kNone,
    kReference,    // the others of a comparison compare themselves with it
    kPulling,      // the replica pulls, or compares itself; reported keys are being resolved
    kPulled,       // in a comparison: done, others are not yet
    kCatchingUp,   // acknowledges what was behind when the pull ended
    kReinstating,  // takes `floor`, if there is one, and is told to vote again, if it does not
  };
  Stage stage = Stage::kNone;
  uint64_t id = 0;
  Boot boot;         // of the replica, under which all of this holds
  int source = -1;   // seat
  Boot source_boot;  // that it was named by
  bool compare_only = false;
  uint64_t reports_taken = 0;
  uint64_t steps = 0;
  MonoTime last_step;  // or since when the present source has had the chance of one
  MonoTime progress;   // the last step that was made, with whichever source
  MonoTime next_send;
  std::map<std::string, bool> unresolved;  // reported keys; true: a call is on it
  Version catch_up;                        // kCatchingUp: acknowledges everything up to it
  Version floor;                           // taken once it is complete; (0, 0): none
};

// R11: all replicas of a slot are made equal, and then vote again.
struct UnionRound {
  bool running = false;
  std::array<Boot, 8> boots{};  // of the replicas, under which all of it holds
};

struct StableRound {
  uint64_t id = 0;
  Version stable;
  uint8_t answered = 0;  // bit i: seat i
  std::array<Boot, 8> boots{};
};

struct SetChange {
  enum class Stage {
    kNone,
    kFilling,   // the learner is being made clean; the old set alone counts
    kJoint,     // a quorum is a majority of the old set and of the new one
    kFlipping,  // the same, and the metadata may change the set at any time
  };
  Stage stage = Stage::kNone;
  int learner = -1;    // seat
  int replaced = -1;   // seat; -1: nobody leaves
  Version joint_from;  // kJoint, kFlipping: last version handed out before
  MonoTime next_ask;   // kFlipping
};

// R7: what the owner knows of garbage below the floor.
struct FloorState {
  Version floor;        // as given out
  bool garbage = true;  // there may be some above it; after a takeover nobody knows
  MonoTime next;
  uint64_t round = 0;    // of SetFloor
  uint8_t answered = 0;  // bit i: seat i
};

}  // namespace ringkv
