// OutstandingOps: what a shard has sent to nodes and has no answer to yet, by the id that the
// operation carries. An id is a place and a serial number, so that finding one is an index, and an
// answer that comes after its question was given up finds nothing. Thread-compatible.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "router/sequencer.h"

namespace ringkv {

struct OutstandingOp {
  Peer peer;
  Expected expected;
  MonoTime sent;
};

class OutstandingOps {
 public:
  // The id under which Put keeps the next operation.
  uint64_t NextId() const { return NextSerial() << kPlaceBits | NextPlace(); }
  bool full() const { return free_.empty() && places_.size() >= kMaxPlaces; }

  void Put(OutstandingOp op) {
    const uint64_t id = NextId();
    const uint64_t place = NextPlace();
    if (free_.empty()) {
      places_.emplace_back();
    } else {
      free_.pop_back();
    }
    serial_ = NextSerial();
    places_[place] = {id, std::move(op)};
  }

  // Takes it out. Nothing: no such one, or it was sent to another node.
  std::optional<OutstandingOp> Take(uint64_t id, Peer peer) {
    const uint64_t place = id & (kMaxPlaces - 1);
    if (place >= places_.size() || places_[place].id != id || id == 0) return std::nullopt;
    if (places_[place].op.peer != peer) return std::nullopt;
    OutstandingOp op = std::move(places_[place].op);
    Free(place);
    return op;
  }

  template <class Predicate>
  void EraseIf(Predicate predicate) {
    for (uint64_t place = 0; place < places_.size(); ++place) {
      if (places_[place].id != 0 && predicate(std::as_const(places_[place].op))) Free(place);
    }
  }

 private:
  static constexpr int kPlaceBits = 24;
  static constexpr uint64_t kMaxPlaces = uint64_t{1} << kPlaceBits;
  static constexpr uint64_t kMaxSerial = (uint64_t{1} << (64 - kPlaceBits)) - 1;

  struct Place {
    uint64_t id = 0;  // 0: free
    OutstandingOp op;
  };

  // From 1 on, also after all of them: 0 is nobody's.
  uint64_t NextSerial() const { return serial_ % kMaxSerial + 1; }
  uint64_t NextPlace() const { return free_.empty() ? places_.size() : free_.back(); }
  void Free(uint64_t place) {
    places_[place] = {};
    free_.push_back(place);
  }

  std::vector<Place> places_;
  std::vector<uint64_t> free_;
  uint64_t serial_ = 0;
};

}  // namespace ringkv
