#include "router/untaken_answers.h"

namespace ringkv {

size_t DroppableBytes(const v1::OpResult& result) {
  size_t bytes = 0;
  if (result.has_get()) bytes = result.get().value().size();
  if (result.has_scan()) bytes = result.scan().ByteSizeLong();
  return bytes > UntakenAnswers::kSmallAnswerBytes ? bytes : 0;
}

void DropAnswer(const std::string& cursor, v1::OpResult* result) {
  v1::OpStatus* status = nullptr;
  if (result->has_scan()) {
    result->mutable_scan()->Clear();
    result->mutable_scan()->set_cursor(cursor);
    status = result->mutable_scan()->mutable_status();
  } else {
    result->mutable_get()->Clear();
    status = result->mutable_get()->mutable_status();
  }
  status->set_outcome(v1::OUTCOME_NOT_APPLIED);
  status->set_code(v1::ERROR_CODE_OVERLOADED);
  status->set_message(
      "too many answers wait for their clients to take them; try again after a pause");
}

}  // namespace ringkv
