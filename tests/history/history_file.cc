#include "tests/history/history_file.h"

#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <set>

namespace ringkv {
namespace {

using Json = nlohmann::ordered_json;
using Type = HistoryEvent::Type;
using Function = HistoryEvent::Function;

constexpr std::array<const char*, 4> kTypes = {"invoke", "ok", "fail", "info"};
constexpr std::array<const char*, 5> kFunctions = {"get", "put", "del", "cas", "incr"};

std::optional<int64_t> AsNumber(const std::string& text) {
  int64_t number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || stop != text.data() + text.size()) return std::nullopt;
  return number;
}

Json ValueJson(const std::optional<std::string>& value, bool number) {
  if (!value) return nullptr;
  if (number) {
    if (auto parsed = AsNumber(*value)) return *parsed;
  }
  return *value;
}

// False: neither text nor number nor null.
bool ReadValue(const Json& json, std::optional<std::string>* value, bool* number) {
  if (json.is_null()) return true;
  if (json.is_number_integer()) {
    *value = std::to_string(json.get<int64_t>());
    *number = true;
    return true;
  }
  if (!json.is_string()) return false;
  *value = json.get<std::string>();
  return true;
}

template <class Enum, size_t N>
bool ReadName(const Json& document, const char* field, const std::array<const char*, N>& names,
              Enum* out) {
  if (!document.contains(field) || !document[field].is_string()) return false;
  for (size_t i = 0; i < N; ++i) {
    if (document[field] != names[i]) continue;
    *out = static_cast<Enum>(i);
    return true;
  }
  return false;
}

Status Malformed(const std::string& what) { return Status::InvalidArgument(what); }

Status ReadValues(const Json& document, HistoryEvent* event) {
  if (!document.contains("value")) return Malformed("`value` is missing");
  const Json& value = document["value"];
  if (event->function != Function::kCas) {
    if (!ReadValue(value, &event->value, &event->number)) {
      return Malformed("`value` is neither text nor a whole number nor null");
    }
    return Status::Ok();
  }
  bool number = false;
  if (!value.is_array() || value.size() != 2 || !ReadValue(value[0], &event->expected, &number) ||
      !ReadValue(value[1], &event->value, &number) || !event->value || number) {
    return Malformed("`value` of a cas is not [old,new]");
  }
  return Status::Ok();
}

HistoryOp::Kind KindOf(const HistoryEvent& invoke) {
  switch (invoke.function) {
    case Function::kGet:
      return HistoryOp::Kind::kGet;
    case Function::kPut:
      return HistoryOp::Kind::kPut;
    case Function::kDelete:
      return HistoryOp::Kind::kDelete;
    case Function::kCas:
      return invoke.expected ? HistoryOp::Kind::kCas : HistoryOp::Kind::kPutAbsent;
    case Function::kIncrement:
      return HistoryOp::Kind::kIncrement;
  }
  return HistoryOp::Kind::kGet;
}

ClientOperation Begin(const HistoryEvent& invoke) {
  ClientOperation operation;
  operation.function = invoke.function;
  operation.key = invoke.key;
  operation.outcome = ClientOperation::Outcome::kUnknown;
  operation.error = "the history ends before";
  operation.ended_ns = INT64_MAX;
  HistoryOp& op = operation.op;
  op.kind = KindOf(invoke);
  op.client = static_cast<int>(invoke.process);
  op.invoked = invoke.time_ns;
  op.unknown = true;
  op.expected = invoke.expected.value_or("");
  if (invoke.function == Function::kIncrement) {
    op.delta = AsNumber(invoke.value.value_or("")).value_or(0);
  } else {
    op.argument = invoke.value.value_or("");
  }
  return operation;
}

void End(const HistoryEvent& end, ClientOperation* operation) {
  using Outcome = ClientOperation::Outcome;
  operation->ended_ns = end.time_ns;
  operation->error = end.error;
  operation->op.answered = end.time_ns;
  operation->op.unknown = end.type == Type::kInfo;
  if (end.type == Type::kInfo) return;
  if (end.type == Type::kFail) {
    const bool condition = end.error == kConditionFailed;
    operation->outcome = condition ? Outcome::kConditionFailed : Outcome::kNotApplied;
    operation->op.applied = false;
    return;
  }
  operation->outcome = Outcome::kDone;
  if (end.function == Function::kGet || end.function == Function::kIncrement) {
    operation->op.result = end.value;
  }
  if (end.function == Function::kDelete) operation->op.applied = end.found.value_or(true);
}

bool Writes(const HistoryEvent& event) {
  return event.function == Function::kPut || event.function == Function::kCas;
}

}  // namespace

std::string ToJsonLine(const HistoryEvent& event) {
  Json line;
  line["process"] = event.process;
  line["type"] = kTypes[static_cast<size_t>(event.type)];
  line["f"] = kFunctions[static_cast<size_t>(event.function)];
  line["key"] = event.key;
  line["value"] =
      event.function == Function::kCas
          ? Json::array({ValueJson(event.expected, false), ValueJson(event.value, false)})
          : ValueJson(event.value, event.number);
  line["time"] = event.time_ns;
  if (event.found) line["found"] = *event.found;
  if (!event.error.empty()) line["error"] = event.error;
  // What a broken store returns may be any bytes.
  return line.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<HistoryEvent> ParseHistoryLine(const std::string& line) {
  const Json document = Json::parse(line, nullptr, false);
  if (!document.is_object()) return Malformed("not a JSON object");
  HistoryEvent event;
  for (const auto& [field, out] :
       {std::pair("process", &event.process), {"time", &event.time_ns}}) {
    if (!document.contains(field) || !document[field].is_number_integer()) {
      return Malformed("`" + std::string(field) + "` is not a whole number");
    }
    *out = document[field].get<int64_t>();
  }
  if (!ReadName(document, "type", kTypes, &event.type)) return Malformed("unknown `type`");
  if (!ReadName(document, "f", kFunctions, &event.function)) return Malformed("unknown `f`");
  if (!document.contains("key") || !document["key"].is_string()) {
    return Malformed("`key` is not text");
  }
  event.key = document["key"].get<std::string>();
  RINGKV_RETURN_IF_ERROR(ReadValues(document, &event));
  if (document.contains("found") && document["found"].is_boolean()) {
    event.found = document["found"].get<bool>();
  }
  if (document.contains("error") && document["error"].is_string()) {
    event.error = document["error"].get<std::string>();
  }
  return event;
}

Result<std::unique_ptr<HistoryWriter>> HistoryWriter::Create(const std::string& path,
                                                             const Clock& clock) {
  std::unique_ptr<HistoryWriter> writer(new HistoryWriter(path, clock));
  writer->file_.open(path, std::ios::binary | std::ios::trunc);
  if (!writer->file_.good()) return Status::IoError("cannot write " + path);
  return writer;
}

int64_t HistoryWriter::Append(HistoryEvent event) {
  std::lock_guard lock(mutex_);
  event.time_ns = clock_.Now().ns;
  file_ << ToJsonLine(event) << '\n';
  return event.time_ns;
}

Status HistoryWriter::Close() {
  std::lock_guard lock(mutex_);
  file_.close();
  return file_.good() ? Status::Ok() : Status::IoError("could not write all of " + path_);
}

Result<std::vector<HistoryEvent>> ReadHistory(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file.good()) return Status::IoError("cannot read " + path);
  std::vector<HistoryEvent> events;
  uint64_t number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    Result<HistoryEvent> event = ParseHistoryLine(line);
    if (!event.ok()) {
      return event.status().Annotate(path + ", line " + std::to_string(number));
    }
    events.push_back(std::move(*event));
  }
  return events;
}

Result<std::vector<ClientOperation>> PairOperations(const std::vector<HistoryEvent>& events) {
  std::vector<ClientOperation> done;
  std::map<int64_t, ClientOperation> open;
  std::set<int64_t> retired;
  std::set<std::string> values;
  int64_t last_ns = INT64_MIN;
  for (size_t i = 0; i < events.size(); ++i) {
    const HistoryEvent& event = events[i];
    const std::string where = "event " + std::to_string(i + 1);
    const std::string who = where + ": process " + std::to_string(event.process);
    if (event.time_ns < last_ns) return Malformed(where + ": its time is before that of the last");
    last_ns = event.time_ns;
    if (retired.contains(event.process)) {
      return Malformed(who + " goes on after an unknown outcome");
    }
    auto mine = open.find(event.process);
    if (event.type == Type::kInvoke) {
      if (mine != open.end()) return Malformed(who + " has two operations at a time");
      if (Writes(event) && !values.insert(event.value.value_or("")).second) {
        return Malformed(where + ": the value " + event.value.value_or("null") +
                         " was used before");
      }
      open.emplace(event.process, Begin(event));
      continue;
    }
    if (mine == open.end()) return Malformed(who + " ends what it has not begun");
    if (mine->second.key != event.key || mine->second.function != event.function) {
      return Malformed(who + " ends another operation than it began");
    }
    End(event, &mine->second);
    done.push_back(std::move(mine->second));
    open.erase(mine);
    if (event.type == Type::kInfo) retired.insert(event.process);
  }
  for (auto& [process, operation] : open) done.push_back(std::move(operation));
  return done;
}

std::map<std::string, std::vector<HistoryOp>> HistoriesByKey(
    const std::vector<ClientOperation>& operations) {
  std::map<std::string, std::vector<HistoryOp>> by_key;
  for (const ClientOperation& operation : operations) {
    if (operation.outcome == ClientOperation::Outcome::kNotApplied) continue;
    const bool unread = operation.outcome == ClientOperation::Outcome::kUnknown &&
                        operation.function == Function::kGet;
    if (!unread) by_key[operation.key].push_back(operation.op);
  }
  return by_key;
}

}  // namespace ringkv
