// Questions of a comparison to one node: one at a time, digests of several ranges together. A node
// that is asked too much is asked again after a pause. Thread-compatible; a question whose asker is
// gone is not asked any more.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "router/check_environment.h"

namespace ringkv {

// Calls back only while whoever owns it lives.
class Lifeline {
 public:
  Lifeline() = default;
  Lifeline(const Lifeline&) = delete;
  Lifeline& operator=(const Lifeline&) = delete;
  ~Lifeline() { Cut(); }

  // What was wrapped before never runs.
  void Cut() {
    *alive_ = false;
    alive_ = std::make_shared<bool>(true);
  }
  std::shared_ptr<const bool> alive() const { return alive_; }
  template <class Action>
  auto Wrap(Action action) const {
    return [alive = alive(), action = std::move(action)](auto&&... arguments) mutable {
      if (*alive) action(std::forward<decltype(arguments)>(arguments)...);
    };
  }

 private:
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

class NodeQuestions {
 public:
  using DigestDone = std::function<void(Result<v1::RangeDigestReply>)>;
  using PartsDone = std::function<void(Result<v1::DigestRangesReply>)>;
  using ListDone = std::function<void(Result<v1::ListRecordsReply>)>;

  NodeQuestions(CheckEnvironment& environment, Peer peer)
      : environment_(environment), peer_(peer) {}

  // The range may be answered in part. `asker`: the question lapses with it.
  void Digest(const Lifeline& asker, v1::KeyRange range, DigestDone done);
  void Split(const Lifeline& asker, v1::KeyRange range, uint32_t records, PartsDone done);
  void List(const Lifeline& asker, v1::KeyRange range, ListDone done);

 private:
  static constexpr size_t kRangesAtATime = 64;
  static constexpr int kTries = 50;
  static constexpr Duration kPause = std::chrono::milliseconds(200);

  struct Question {
    v1::KeyRange range;
    uint32_t split_records = 0;
    // One of these is set.
    DigestDone digest;
    PartsDone parts;
    ListDone list;
    std::shared_ptr<const bool> alive;
  };

  void Pump();
  void AskDigests(std::vector<Question> questions, int tries);
  void AskParts(Question question, int tries);
  void AskList(Question question, int tries);
  void OnDigests(std::vector<Question> questions, int tries, Result<v1::DigestRangesReply> reply);
  // Whether the node is to be asked the same again; then `again` comes after a pause.
  bool Again(const Status& status, int tries, std::function<void()> again);
  void End();

  CheckEnvironment& environment_;
  const Peer peer_;
  std::deque<Question> waiting_;
  bool busy_ = false;
  Lifeline lifeline_;
};

}  // namespace ringkv
