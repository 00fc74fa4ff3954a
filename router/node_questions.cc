#include "router/node_questions.h"

#include <algorithm>
#include <utility>

namespace ringkv {

void NodeQuestions::Digest(const Lifeline& asker, v1::KeyRange range, DigestDone done) {
  waiting_.push_back(
      {.range = std::move(range), .digest = std::move(done), .alive = asker.alive()});
  Pump();
}

void NodeQuestions::Split(const Lifeline& asker, v1::KeyRange range, uint32_t records,
                          PartsDone done) {
  waiting_.push_back({.range = std::move(range),
                      .split_records = records,
                      .parts = std::move(done),
                      .alive = asker.alive()});
  Pump();
}

void NodeQuestions::List(const Lifeline& asker, v1::KeyRange range, ListDone done) {
  waiting_.push_back({.range = std::move(range), .list = std::move(done), .alive = asker.alive()});
  Pump();
}

void NodeQuestions::Pump() {
  if (busy_) return;
  std::erase_if(waiting_, [](const Question& question) { return !*question.alive; });
  if (waiting_.empty()) return;
  busy_ = true;
  Question first = std::move(waiting_.front());
  waiting_.pop_front();
  if (first.parts) return AskParts(std::move(first), 0);
  if (first.list) return AskList(std::move(first), 0);
  std::vector<Question> questions;
  questions.push_back(std::move(first));
  while (!waiting_.empty() && waiting_.front().digest && questions.size() < kRangesAtATime) {
    questions.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  AskDigests(std::move(questions), 0);
}

void NodeQuestions::End() {
  busy_ = false;
  Pump();
}

bool NodeQuestions::Again(const Status& status, int tries, std::function<void()> again) {
  if (status.code() != StatusCode::kOverloaded || tries >= kTries) return false;
  environment_.After(kPause, lifeline_.Wrap(std::move(again)));
  return true;
}

void NodeQuestions::AskDigests(std::vector<Question> questions, int tries) {
  v1::DigestRangesRequest request;
  for (const Question& question : questions) *request.add_ranges() = question.range;
  environment_.AskDigests(peer_, std::move(request),
                          lifeline_.Wrap([this, questions = std::move(questions),
                                          tries](Result<v1::DigestRangesReply> reply) mutable {
                            OnDigests(std::move(questions), tries, std::move(reply));
                          }));
}

void NodeQuestions::OnDigests(std::vector<Question> questions, int tries,
                              Result<v1::DigestRangesReply> reply) {
  if (!reply.ok() && tries < kTries && reply.status().code() == StatusCode::kOverloaded) {
    Again(reply.status(), tries, [this, questions = std::move(questions), tries]() mutable {
      AskDigests(std::move(questions), tries + 1);
    });
    return;
  }
  if (reply.ok() && reply->digests().empty()) reply = Status::Internal("an answer without content");
  const size_t answered =
      reply.ok() ? std::min<size_t>(questions.size(), static_cast<size_t>(reply->digests_size()))
                 : questions.size();
  // Those that it did not come to are the next.
  for (size_t i = questions.size(); i-- > answered;) {
    waiting_.push_front(std::move(questions[i]));
  }
  for (size_t i = 0; i < answered; ++i) {
    if (!*questions[i].alive) continue;
    if (reply.ok()) {
      questions[i].digest(reply->digests(static_cast<int>(i)));
    } else {
      questions[i].digest(reply.status());
    }
  }
  End();
}

void NodeQuestions::AskParts(Question question, int tries) {
  v1::DigestRangesRequest request;
  *request.add_ranges() = question.range;
  request.set_split_records(question.split_records);
  environment_.AskDigests(
      peer_, std::move(request),
      lifeline_.Wrap([this, question = std::move(question),
                      tries](Result<v1::DigestRangesReply> reply) mutable {
        const Status status = reply.status();
        if (Again(status, tries, [this, question, tries] { AskParts(question, tries + 1); }))
          return;
        if (reply.ok() && reply->digests().empty()) {
          reply = Status::Internal("an answer without content");
        }
        if (*question.alive) question.parts(std::move(reply));
        End();
      }));
}

void NodeQuestions::AskList(Question question, int tries) {
  v1::ListRecordsRequest request;
  *request.mutable_range() = question.range;
  environment_.AskRecords(
      peer_, std::move(request),
      lifeline_.Wrap([this, question = std::move(question),
                      tries](Result<v1::ListRecordsReply> reply) mutable {
        const Status status = reply.status();
        if (Again(status, tries, [this, question, tries] { AskList(question, tries + 1); })) return;
        if (*question.alive) question.list(std::move(reply));
        End();
      }));
}

}  // namespace ringkv
