// LargeReads: the room of a loop for large values that are read. So many bytes are asked of nodes,
// on their way or being answered at a time; who finds no room waits in line, and who would come too
// late is told at once.
//
// LargeKeys: which keys were seen to have large values, so that their nodes are not asked in vain.
//
// Both pure and thread-compatible.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"

namespace ringkv {

class LargeReads {
 public:
  // A call that wants room. `bytes` above the whole room count as the whole room.
  struct Reader {
    SlotId slot;
    uint64_t call = 0;
    size_t bytes = 0;
    MonoTime deadline;
  };
  enum class Turn {
    kNow,
    kLater,    // TakeTurns says when
    kTooLate,  // it would be answered after its deadline
  };

  explicit LargeReads(size_t room) : room_(room) {}

  // Of a call that neither waits nor has room.
  Turn Ask(const Reader& reader, MonoTime now);
  // The call is answered, or has given up; nothing happens if it neither waits nor has room.
  void End(uint64_t call, MonoTime now);
  // Whose turn it is now: they have room.
  std::vector<Reader> TakeTurns(MonoTime now);

  bool waited_for() const { return !line_.empty(); }
  size_t bytes() const { return taken_; }
  size_t bytes_waiting() const { return waiting_; }

 private:
  struct Place {
    size_t bytes = 0;
    MonoTime since;
    bool waits = false;
  };

  void Admit(uint64_t call, size_t bytes, MonoTime now);
  // How long a reader whose turn comes after so many bytes waits for its answer.
  Duration Expected(size_t bytes_before) const;

  const size_t room_;
  size_t taken_ = 0;
  size_t waiting_ = 0;
  std::unordered_map<uint64_t, Place> places_;  // by call
  std::deque<Reader> line_;                     // some may have given up
  double usual_ns_ = 0;                         // smoothed time that a reader keeps its room
};

class LargeKeys {
 public:
  // Bytes of the value as last seen; 0: not known to be large.
  size_t Find(SlotId slot, std::string_view key) const;
  void Note(SlotId slot, std::string_view key, size_t bytes);
  void Forget(SlotId slot, std::string_view key);

 private:
  struct Entry {
    uint64_t hash = 0;
    size_t bytes = 0;
  };
  static uint64_t HashOf(SlotId slot, std::string_view key);

  // By hash; what comes takes the place of what was there.
  std::array<Entry, 4096> entries_;
};

}  // namespace ringkv
