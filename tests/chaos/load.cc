#include "tests/chaos/load.h"

#include <utility>

#include "base/check.h"
#include "tests/chaos/value_text.h"

namespace ringkv {
namespace {

using Type = HistoryEvent::Type;
using Function = HistoryEvent::Function;

constexpr double kLedger = 0.10;   // of all operations: a key that is written once
constexpr double kOldKey = 0.05;   // a read of a key that is not in use any more
constexpr double kCounter = 0.25;  // of the others

// A load that was held up begins what it missed, but not more than of one second.
constexpr Duration kMaxBacklog = std::chrono::seconds(1);

// A call that has not ended so long after its deadline never will.
constexpr Duration kOverdue = std::chrono::seconds(30);

// Whether a call that ended so may have had an effect.
bool IsUnknown(const Status& status) {
  return status.code() == StatusCode::kUnknownOutcome || status.code() == StatusCode::kInternal ||
         status.code() == StatusCode::kIoError;
}

std::string ErrorOf(const Status& status) {
  if (status.code() == StatusCode::kConditionFailed) return kConditionFailed;
  return status.ToString();
}

}  // namespace

Load::Load(const LoadOptions& options, const std::vector<std::string>& routers,
           HistoryWriter& history)
    : options_(options), history_(history), random_(options.seed) {
  for (int i = 0; i < options.registers + options.counters; ++i) {
    const bool counter = i >= options.registers;
    slots_.push_back(
        {counter ? "c" + std::to_string(i - options.registers) : "r" + std::to_string(i), counter});
  }
  for (int i = 0; i < options.connections; ++i) {
    ClientOptions client;
    client.routers = routers;
    client.timeout = options.timeout;
    client.when_full = WhenFull::kRefuse;
    auto created = Client::Create(client);
    RINGKV_CHECK(created.ok(), created.status().message());
    clients_.push_back(std::move(*created));
  }
}

Load::~Load() { Stop(); }

void Load::Start() {
  stop_ = false;
  thread_ = std::thread([this] { Run(); });
}

size_t Load::Stop() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
  return WaitForLessThan(1);
}

void Load::Run() {
  const Duration interval =
      std::chrono::nanoseconds(1'000'000'000 / options_.operations_per_second);
  MonoTime due = clock_.Now();
  while (!stop_) {
    const MonoTime now = clock_.Now();
    if (now < due) {
      std::this_thread::sleep_for(due - now);  // the rate
      continue;
    }
    due = due + interval;
    if (due + kMaxBacklog < now) due = now;
    Operation operation;
    {
      std::lock_guard lock(mutex_);
      if (in_flight_ >= options_.max_in_flight) {
        ++not_begun_;
        continue;
      }
      operation = Choose(now);
    }
    Begin(std::move(operation));
  }
}

Load::Operation Load::Choose(MonoTime now) {
  if (random_.Chance(kLedger)) {
    ledger_.push_back("u" + std::to_string(ledger_.size()));
    Operation operation{NewEvent(Function::kPut, ledger_.back())};
    operation.event.value = NewValue();
    return operation;
  }
  if (!old_keys_.empty() && random_.Chance(kOldKey)) {
    return {NewEvent(Function::kGet, old_keys_[random_.Below(old_keys_.size())])};
  }
  const bool counter = random_.Chance(kCounter);
  const int index = counter
                        ? options_.registers + static_cast<int>(random_.Below(options_.counters))
                        : static_cast<int>(random_.Below(options_.registers));
  if (slots_[index].until <= now) Renew(slots_[index], now);
  return counter ? ChooseForCounter(index) : ChooseForRegister(index);
}

void Load::Renew(Slot& slot, MonoTime now) {
  if (slot.generation > 0) old_keys_.push_back(slot.key);
  ++slot.generation;
  slot.key = slot.prefix + "-" + std::to_string(slot.generation);
  slot.seen.reset();
  // Not all at the same time.
  const auto lifetime = static_cast<uint64_t>(options_.key_lifetime.count());
  slot.until =
      now + Duration(static_cast<int64_t>(random_.Between(lifetime / 2, lifetime * 3 / 2)));
}

Load::Operation Load::ChooseForRegister(int index) {
  Slot& slot = slots_[index];
  const double dice = random_.Unit();
  if (dice < 0.45) return {NewEvent(Function::kGet, slot.key), {}, index};
  if (dice < 0.55) return {NewEvent(Function::kDelete, slot.key)};
  const bool if_absent = dice < 0.59;
  if (if_absent || (dice < 0.78 && slot.seen)) {
    Operation operation{NewEvent(Function::kCas, slot.key)};
    operation.event.value = NewValue();
    if (!if_absent) {
      operation.event.expected = slot.seen->value;
      operation.version = slot.seen->version;
    }
    return operation;
  }
  Operation operation{NewEvent(Function::kPut, slot.key)};
  operation.event.value = NewValue();
  return operation;
}

Load::Operation Load::ChooseForCounter(int index) {
  const std::string& key = slots_[index].key;
  if (random_.Chance(0.45)) return {NewEvent(Function::kGet, key)};
  Operation operation{NewEvent(Function::kIncrement, key)};
  operation.event.value = std::to_string(random_.Between(1, 5));
  operation.event.number = true;
  return operation;
}

HistoryEvent Load::NewEvent(Function function, const std::string& key) {
  HistoryEvent event;
  event.function = function;
  event.key = key;
  if (free_processes_.empty()) free_processes_.push_back(++last_process_);
  event.process = free_processes_.back();
  free_processes_.pop_back();
  ++in_flight_;
  return event;
}

void Load::Begin(Operation operation) {
  history_.Append(operation.event);
  Client& client = ClientOf(operation.event.process);
  const std::string key = operation.event.key;
  const CallOptions call;
  switch (operation.event.function) {
    case Function::kGet:
      client.GetAsync(
          key, call, [this, operation](GetResult result) { EndGet(operation, std::move(result)); });
      return;
    case Function::kPut:
    case Function::kCas: {
      PutOptions put;
      if (operation.event.function == Function::kCas) {
        put.if_absent = !operation.event.expected;
        if (operation.event.expected) put.if_version = operation.version;
      }
      client.PutAsync(key, ValueOfName(*operation.event.value), put, call,
                      [this, operation](const WriteResult& result) {
                        End(operation, result.status, operation.event);
                      });
      return;
    }
    case Function::kDelete:
      client.DeleteAsync(key, {}, call, [this, operation](const WriteResult& result) {
        HistoryEvent end = operation.event;
        const bool absent = result.status.code() == StatusCode::kNotFound;
        if (absent || result.status.ok()) end.found = !absent;
        End(operation, absent ? Status::Ok() : result.status, std::move(end));
      });
      return;
    case Function::kIncrement:
      client.IncrementAsync(key, std::stoll(*operation.event.value), call,
                            [this, operation](const IncrementResult& result) {
                              HistoryEvent end = operation.event;
                              if (result.status.ok()) end.value = std::to_string(result.value);
                              End(operation, result.status, std::move(end));
                            });
      return;
  }
}

void Load::EndGet(const Operation& operation, GetResult result) {
  HistoryEvent end = operation.event;
  const bool absent = result.status.code() == StatusCode::kNotFound;
  if (result.status.ok()) {
    const bool counter = end.key.starts_with('c');
    end.value = counter ? result.value : NameOfValue(result.value);
    end.number = counter;
  }
  if (operation.slot >= 0 && (absent || result.status.ok())) {
    std::lock_guard lock(mutex_);
    Slot& slot = slots_[operation.slot];
    if (slot.key == end.key) {
      slot.seen.reset();
      if (!absent) slot.seen = Seen{*end.value, result.version};
    }
  }
  End(operation, absent ? Status::Ok() : result.status, std::move(end));
}

void Load::End(const Operation& operation, const Status& status, HistoryEvent end) {
  // A read that failed had no effect, whatever became of it.
  const bool unknown = operation.event.function != Function::kGet && IsUnknown(status);
  end.type = status.ok() ? Type::kOk : unknown ? Type::kInfo : Type::kFail;
  if (!status.ok()) end.error = ErrorOf(status);
  history_.Append(end);
  std::lock_guard lock(mutex_);
  if (!unknown) free_processes_.push_back(end.process);
  --in_flight_;
  ended_.notify_all();
}

size_t Load::WaitForLessThan(size_t in_flight) {
  std::unique_lock lock(mutex_);
  ended_.wait_for(lock, options_.timeout + kOverdue, [&] { return in_flight_ < in_flight; });
  return in_flight_;
}

size_t Load::ReadAll() {
  std::vector<std::string> keys = old_keys_;
  for (const Slot& slot : slots_) {
    if (slot.generation > 0) keys.push_back(slot.key);
  }
  keys.insert(keys.end(), ledger_.begin(), ledger_.end());
  for (const std::string& key : keys) {
    if (const size_t stuck = WaitForLessThan(64); stuck >= 64) return stuck;
    Operation operation;
    {
      std::lock_guard lock(mutex_);
      operation.event = NewEvent(Function::kGet, key);
    }
    Begin(std::move(operation));
  }
  return WaitForLessThan(1);
}

}  // namespace ringkv
