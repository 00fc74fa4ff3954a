#include "tests/chaos/accounting.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace ringkv {
namespace {

using Outcome = ClientOperation::Outcome;
using Function = HistoryEvent::Function;

struct KeyStory {
  const ClientOperation* last_read = nullptr;
  std::vector<const ClientOperation*> writes;  // that happened, or may have
  int64_t last_end_ns = INT64_MIN;             // of the writes that ended for sure
  bool counter = false;
};

std::string Shown(const std::optional<std::string>& value) { return value.value_or("nothing"); }

bool MayHaveHappened(const ClientOperation& operation) {
  if (operation.outcome == Outcome::kUnknown) return true;
  return operation.outcome == Outcome::kDone && operation.op.applied;
}

// What a write leaves.
std::optional<std::string> Leaves(const ClientOperation& write) {
  if (write.function == Function::kDelete) return std::nullopt;
  return write.op.argument;
}

std::string JudgeCounter(const std::string& key, const KeyStory& story) {
  int64_t least = 0, most = 0;
  for (const ClientOperation* write : story.writes) {
    const int64_t delta = write->op.delta;
    const bool known = write->outcome == Outcome::kDone;
    if (known || delta < 0) least += delta;
    if (known || delta > 0) most += delta;
  }
  const std::string text = story.last_read->op.result.value_or("0");
  int64_t value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || stop != text.data() + text.size()) {
    return key + " holds '" + text + "', which is not a number";
  }
  if (value >= least && value <= most) return "";
  return key + " holds " + text + "; its increments add up to " + std::to_string(least) +
         (most == least ? "" : " to " + std::to_string(most));
}

// An acknowledged write that began after `candidate` had ended: it must have replaced that. Null:
// none. No candidate stands for the key's being absent from the start.
const ClientOperation* FirstAfter(const KeyStory& story, const ClientOperation* candidate) {
  for (const ClientOperation* write : story.writes) {
    if (write->outcome != Outcome::kDone || write == candidate) continue;
    if (candidate == nullptr) return write;
    if (candidate->outcome == Outcome::kDone && write->op.invoked > candidate->op.answered) {
      return write;
    }
  }
  return nullptr;
}

std::string JudgeRegister(const std::string& key, const KeyStory& story) {
  const std::optional<std::string>& held = story.last_read->op.result;
  std::vector<const ClientOperation*> candidates;  // what may have left it as it is
  if (!held) candidates.push_back(nullptr);
  for (const ClientOperation* write : story.writes) {
    if (Leaves(*write) == held) candidates.push_back(write);
  }
  if (candidates.empty()) return key + " holds " + *held + ", which nobody wrote";
  const ClientOperation* lost = nullptr;
  for (const ClientOperation* candidate : candidates) {
    lost = FirstAfter(story, candidate);
    if (lost == nullptr) return "";
  }
  return key + " holds " + Shown(held) + "; " + Shown(Leaves(*lost)) +
         " was acknowledged after that and is gone";
}

}  // namespace

std::vector<std::string> FindUnaccounted(const std::vector<ClientOperation>& operations) {
  std::map<std::string, KeyStory> stories;
  for (const ClientOperation& operation : operations) {
    KeyStory& story = stories[operation.key];
    if (operation.function == Function::kGet) {
      const bool later =
          story.last_read == nullptr || operation.op.invoked > story.last_read->op.invoked;
      if (operation.outcome == Outcome::kDone && later) story.last_read = &operation;
      continue;
    }
    story.counter = story.counter || operation.function == Function::kIncrement;
    if (!MayHaveHappened(operation)) continue;
    story.writes.push_back(&operation);
    if (operation.outcome == Outcome::kDone) {
      story.last_end_ns = std::max(story.last_end_ns, operation.ended_ns);
    }
  }
  std::vector<std::string> findings;
  for (const auto& [key, story] : stories) {
    std::string finding;
    if (story.last_read == nullptr || story.last_read->op.invoked < story.last_end_ns) {
      finding = key + " could not be read at the end";
    } else {
      finding = story.counter ? JudgeCounter(key, story) : JudgeRegister(key, story);
    }
    if (!finding.empty()) findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace ringkv
