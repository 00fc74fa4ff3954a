#include "tests/chaos/value_text.h"

#include "base/random.h"

namespace ringkv {
namespace {

// Most values are short; some are large enough to be stored in files of their own.
size_t TailLength(Random& random) {
  const double dice = random.Unit();
  if (dice < 0.70) return 0;
  if (dice < 0.90) return random.Between(100, 1'000);
  if (dice < 0.98) return random.Between(1'000, 8'000);
  return random.Between(16'000, 64'000);
}

// Not std::hash, so that a value is the same everywhere.
uint64_t SeedOf(std::string_view name) {
  uint64_t seed = 14695981039346656037ULL;
  for (char c : name) seed = (seed ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return seed;
}

}  // namespace

std::string ValueOfName(std::string_view name) {
  Random random(SeedOf(name));
  std::string value(name);
  const size_t tail = TailLength(random);
  if (tail == 0) return value;
  value.push_back(':');
  uint64_t word = 0;
  for (size_t i = 0; i < tail; ++i) {
    if (i % 10 == 0) word = random.Next();
    value.push_back(static_cast<char>('a' + (word >> (i % 10 * 6)) % 26));
  }
  return value;
}

std::string NameOfValue(std::string_view value) {
  std::string name(value.substr(0, value.find(':')));
  if (value == ValueOfName(name)) return name;
  return "damaged:" + name.substr(0, 100) + ":" + std::to_string(value.size()) + " bytes";
}

}  // namespace ringkv
