#include "client/kvctl/workload.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace ringkv {
namespace {

constexpr double kTheta = 0.99;

double Zeta(uint64_t n) {
  double sum = 0;
  for (uint64_t i = 1; i <= n; ++i) sum += 1 / std::pow(double(i), kTheta);
  return sum;
}

// Spreads the popular numbers over all keys (FNV-1a, as YCSB does).
uint64_t Scramble(uint64_t number) {
  uint64_t hash = 0xCBF29CE484222325;
  for (int i = 0; i < 8; ++i) {
    hash = (hash ^ (number & 0xFF)) * 0x100000001B3;
    number >>= 8;
  }
  return hash;
}

}  // namespace

std::string_view OpKindName(OpKind kind) {
  switch (kind) {
    case OpKind::kRead:
      return "read";
    case OpKind::kUpdate:
      return "update";
    case OpKind::kInsert:
      return "insert";
    case OpKind::kScan:
      return "scan";
    case OpKind::kReadModifyWrite:
      return "read-modify-write";
  }
  return "?";
}

Zipfian::Zipfian(uint64_t n) : n_(n), zeta_(Zeta(n)) {
  const double zeta2 = Zeta(std::min<uint64_t>(n, 2));
  eta_ = n <= 2 ? 0 : (1 - std::pow(2.0 / double(n), 1 - kTheta)) / (1 - zeta2 / zeta_);
}

uint64_t Zipfian::Next(Random& random) const {
  const double u = random.Unit();
  const double uz = u * zeta_;
  if (uz < 1 || n_ == 1) return 0;
  if (uz < 1 + std::pow(0.5, kTheta) || n_ == 2) return 1;
  const double rank = double(n_) * std::pow(eta_ * u - eta_ + 1, 1 / (1 - kTheta));
  return std::min(n_ - 1, static_cast<uint64_t>(rank));
}

Workload::Workload(const std::string& name, uint64_t keys, uint64_t seed)
    : name_(name),
      loaded_(keys),
      keys_(keys),
      random_(seed),
      zipfian_(name == "put" || name == "get" ? 1 : keys) {}

std::string Workload::Key(uint64_t number) {
  char text[32];
  std::snprintf(text, sizeof(text), "user%012llu", static_cast<unsigned long long>(number));
  return text;
}

OpKind Workload::NextKind() {
  if (name_ == "get" || name_ == "c") return OpKind::kRead;
  if (name_ == "put") return OpKind::kUpdate;
  const bool common = random_.Chance(name_ == "a" || name_ == "f" ? 0.5 : 0.95);
  if (common) return name_ == "e" ? OpKind::kScan : OpKind::kRead;
  if (name_ == "f") return OpKind::kReadModifyWrite;
  return name_ == "d" || name_ == "e" ? OpKind::kInsert : OpKind::kUpdate;
}

uint64_t Workload::NextKeyNumber() {
  if (name_ == "put" || name_ == "get") return random_.Below(keys_);
  if (name_ == "d") return keys_ - 1 - zipfian_.Next(random_);
  return Scramble(zipfian_.Next(random_)) % loaded_;
}

BenchOp Workload::Next() {
  BenchOp op{.kind = NextKind(), .key = {}, .limit = 0};
  if (op.kind == OpKind::kInsert) {
    op.key = Key(keys_++);
    return op;
  }
  op.key = Key(NextKeyNumber());
  if (op.kind == OpKind::kScan) {
    op.limit = random_.Between(1, 100);
    op.key.resize(op.key.size() - 2);
  }
  return op;
}

}  // namespace ringkv
